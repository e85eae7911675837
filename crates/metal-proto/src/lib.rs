//! The agents' gRPC API: .proto files and generated code.
