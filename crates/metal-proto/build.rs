//! Compiles the `.proto` files without `protoc`.

use std::path::Path;

const FILES: [&str; 6] = ["inventory", "join", "boot", "machine", "switch", "bmc"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new("proto");
    let files = FILES.map(|name| root.join("metal/agent/v1").join(format!("{name}.proto")));
    for file in &files {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    let descriptors = protox::compile(&files, [root])?;
    tonic_prost_build::configure()
        .boxed(".metal.agent.v1.WaitResponse.outcome.allocated")
        .compile_fds(descriptors)?;
    Ok(())
}
