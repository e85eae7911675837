//! Generated from `proto/metal/agent/v1`; everything is documented there.

tonic::include_proto!("metal.agent.v1");
