//! The disk that the log runs on: the real files, and in builds with the feature `faults` one around
//! them that fails as the environment says. Must never be asked twice what the script is.

#[cfg(not(feature = "faults"))]
mod real {
    use zareba_storage::FileDisk;

    use crate::error::StartError;

    /// The log's disk.
    pub(crate) type LogDisk = FileDisk;

    /// There is none in this build.
    #[derive(Clone, Debug)]
    pub(crate) struct FaultScript;

    impl FaultScript {
        #[expect(
            clippy::unnecessary_wraps,
            reason = "a build with faults can refuse a script"
        )]
        pub(crate) fn read() -> Result<Self, StartError> {
            Ok(Self)
        }

        pub(crate) fn around(&self, files: FileDisk) -> LogDisk {
            files
        }
    }
}
#[cfg(not(feature = "faults"))]
pub(crate) use real::{FaultScript, LogDisk};

#[cfg(feature = "faults")]
mod faulty {
    use std::time::Duration;

    use zareba_log::{Fault, FaultyDisk};
    use zareba_storage::FileDisk;

    use crate::error::StartError;

    /// Faults, separated by semicolons; see [`Fault`] for one.
    const VARIABLE: &str = "ZAREBA_DISK_FAULT";

    /// The log's disk.
    pub(crate) type LogDisk = FaultyDisk<FileDisk>;

    /// What shall fail.
    #[derive(Clone, Debug)]
    pub(crate) struct FaultScript(Vec<Fault>);

    impl FaultScript {
        pub(crate) fn read() -> Result<Self, StartError> {
            let text = std::env::var(VARIABLE).unwrap_or_default();
            let faults: Result<Vec<Fault>, _> = text
                .split(';')
                .filter(|fault| !fault.trim().is_empty())
                .map(str::parse)
                .collect();
            let faults = faults.map_err(|error| StartError::Faults(error.to_string()))?;
            if !faults.is_empty() {
                tracing::warn!(?faults, "this build injects faults into its disk");
            }
            Ok(Self(faults))
        }

        pub(crate) fn around(&self, files: FileDisk) -> LogDisk {
            FaultyDisk::new(files, self.0.iter().cloned()).with_delay(|milliseconds| {
                std::thread::park_timeout(Duration::from_millis(milliseconds));
            })
        }
    }
}
#[cfg(feature = "faults")]
pub(crate) use faulty::{FaultScript, LogDisk};
