//! Start-up skeleton shared by the binaries: task tree, clock, tracing, TLS, secrets, metrics, shutdown.
