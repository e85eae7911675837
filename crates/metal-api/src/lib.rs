//! The control plane: REST v1, agents' gRPC, authentication, reconcilers.
