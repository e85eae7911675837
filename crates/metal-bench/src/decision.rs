//! The allocation decision by itself, without store and network.

use std::time::Instant;

use metal_model::v1;
use metal_plan::{Caller, Env, Tx};

use crate::fill;
use crate::report::{Report, quantile};

/// Decides many allocations on one snapshot of a fleet that waits.
pub fn measure(report: &mut Report, machines: usize) -> anyhow::Result<()> {
    let now = metal_runtime::clock::now();
    let mut docs = fill::base(now);
    docs.extend(fill::machines(now, machines, 0));
    let snapshot = fill::snapshot(&docs);
    drop(docs);
    let request = v1::MachineAllocateRequest {
        projectid: fill::PROJECT.into(),
        partitionid: fill::PARTITION.into(),
        sizeid: fill::SIZE.into(),
        imageid: fill::IMAGE.into(),
        networks: vec![v1::MachineAllocationNetwork { networkid: fill::CHILD.into(), ..Default::default() }],
        ..Default::default()
    };
    let mut took = Vec::new();
    for seed in 0..2_000_u128 {
        let mut tx = Tx::new(&snapshot);
        let mut env =
            Env::new(now, seed, Caller { email: "bench@metal-stack.io".into(), ..Caller::default() });
        let start = Instant::now();
        metal_plan::allocation::allocate_machine(&mut tx, &mut env, &request)?;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    let micros = |share| quantile(&took, share).as_secs_f64() * 1e6;
    let note =
        format!("median of {}, p99 {:.0} us; candidate, addresses, ASN, tags", took.len(), micros(0.99));
    report.add(&format!("allocation decision, {machines} machines"), micros(0.5), "us", "<= 100", note);
    Ok(())
}
