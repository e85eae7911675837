//! The driver as seen from asynchronous code: each call on a thread where blocking is allowed, one change at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use metal_netconf::intent::Switch;
use metal_netconf::name::PortName;
use metal_runtime::TaskTree;
use tokio::sync::oneshot;

use crate::driver::{Driver, DriverError, OperatingSystem, Port, Prepared, Session};

/// A driver that can be awaited. Clones are the same device.
#[derive(Clone)]
pub struct Device {
    driver: Arc<dyn Driver>,
    /// Held while the device is compared or changed, so that a run that was given up cannot meet its successor.
    change: Arc<Mutex<()>>,
    tasks: TaskTree,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").finish_non_exhaustive()
    }
}

impl Device {
    /// Runs the driver's calls as tasks of `tasks`.
    pub fn new(driver: Arc<dyn Driver>, tasks: TaskTree) -> Self {
        Self { driver, change: Arc::default(), tasks }
    }

    async fn call<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&dyn Driver) -> Result<T, DriverError> + Send + 'static,
    ) -> Result<T, DriverError> {
        let (sender, receiver) = oneshot::channel();
        let driver = Arc::clone(&self.driver);
        self.tasks.spawn_blocking(name, move || {
            // Whoever asked may have given up.
            let _ = sender.send(work(driver.as_ref()));
        });
        receiver.await.unwrap_or_else(|_| Err(DriverError::new(name, "the device", "the driver panicked")))
    }

    async fn exclusive<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&dyn Driver) -> Result<T, DriverError> + Send + 'static,
    ) -> Result<T, DriverError> {
        let change = Arc::clone(&self.change);
        let guarded = move |driver: &dyn Driver| {
            let _guard = change.lock().unwrap_or_else(PoisonError::into_inner);
            work(driver)
        };
        self.call(name, guarded).await
    }

    /// See [`Driver::operating_system`].
    pub async fn operating_system(&self) -> Result<OperatingSystem, DriverError> {
        self.call("operating-system", |driver| driver.operating_system()).await
    }

    /// See [`Driver::is_ready`].
    pub async fn is_ready(&self) -> Result<bool, DriverError> {
        self.call("is-ready", |driver| driver.is_ready()).await
    }

    /// See [`Driver::ports`].
    pub async fn ports(&self) -> Result<BTreeMap<PortName, Port>, DriverError> {
        self.call("ports", |driver| driver.ports()).await
    }

    /// See [`Driver::sessions`].
    pub async fn sessions(&self) -> Result<Vec<Session>, DriverError> {
        self.call("sessions", |driver| driver.sessions()).await
    }

    /// See [`Driver::prepare`].
    pub(super) async fn prepare(&self, intent: &Arc<Switch>) -> Result<Box<dyn Prepared>, DriverError> {
        let intent = Arc::clone(intent);
        self.exclusive("prepare", move |driver| driver.prepare(&intent)).await
    }

    /// See [`Prepared::apply`].
    pub(super) async fn apply(&self, prepared: Box<dyn Prepared>) -> Result<(), DriverError> {
        self.exclusive("apply", move |_| prepared.apply()).await
    }

    /// See [`Driver::deviations`].
    pub(super) async fn deviations(&self, intent: &Arc<Switch>) -> Result<Vec<String>, DriverError> {
        let intent = Arc::clone(intent);
        self.exclusive("deviations", move |driver| driver.deviations(&intent)).await
    }

    /// See [`Driver::persist`].
    pub(super) async fn persist(&self, intent: &Arc<Switch>) -> Result<(), DriverError> {
        let intent = Arc::clone(intent);
        self.exclusive("persist", move |driver| driver.persist(&intent)).await
    }
}
