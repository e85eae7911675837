//! Ordered key space with atomic transactions, snapshots and a change feed; redb and etcd engines.
