//! A number in a node that many add to. Knows nothing of what is counted.

use std::time::Duration;

use zareba_model::{ErrorCode, ZnodePath};

use super::steady;
use crate::{Client, Error, IntoPath, clock};

/// Failures in a row after which an addition waits a little: others are as busy as it is.
const PATIENT: u32 = 3;

/// Longest such wait.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// A 64-bit signed number at a path, as decimal text. The ZooKeeper paper, section 2.3: a set that
/// names the version which was read.
///
/// **Promises.** Each addition that returned a value happened once, and each value is returned to one
/// adder only; one that returned an error of its own did not happen, except for what
/// [`Error::Timeout`], a dropped future or a session's end leave open.
///
/// **Costs.** A get and a set, two round trips, when nobody else adds meanwhile; both again, after a
/// random wait, when somebody did: among many adders rates fall, for one of them succeeds at a time.
///
/// ```no_run
/// # async fn example(client: zareba_client::Client) -> Result<(), zareba_client::Error> {
/// use zareba_client::recipes::Counter;
///
/// let visits = Counter::new(&client, "/counters/visits")?;
/// println!("visitor number {}", visits.add(1).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Counter {
    client: Client,
    path: ZnodePath,
}

impl Counter {
    /// A counter at a path. It is 0 while there is no node, which the first addition creates.
    pub fn new(client: &Client, path: impl IntoPath) -> Result<Self, Error> {
        Ok(Self {
            client: steady(client),
            path: path.into_path()?,
        })
    }

    /// Its value.
    ///
    /// Errors: [`Error::Content`] if the node holds no number.
    pub async fn get(&self) -> Result<i64, Error> {
        Ok(self.read().await?.0)
    }

    /// Adds to it and returns the sum. A dropped future may or may not have added.
    ///
    /// Errors: [`Error::Content`] if the node holds no number, or one so great that the sum needs more
    /// than 64 bits.
    pub async fn add(&self, amount: i64) -> Result<i64, Error> {
        let mut failures = 0;
        loop {
            let (value, version) = self.read().await?;
            let sum = value.checked_add(amount).ok_or_else(|| Error::Content {
                path: self.path.clone(),
                expected: "a number that stays within 64 bits when it is added to".to_owned(),
                found: value.to_string(),
            })?;
            if self.write(sum, version).await? {
                return Ok(sum);
            }
            failures += 1;
            if failures > PATIENT {
                let longest = WAIT_MAX.min(Duration::from_millis(1) * failures);
                let wait = longest.mul_f64(rand::random_range(0.0..1.0));
                tokio::time::sleep_until(clock::now() + wait).await;
            }
        }
    }

    /// Replaces its value if it is `expected`; false if it is another one.
    pub async fn compare_and_set(&self, expected: i64, value: i64) -> Result<bool, Error> {
        loop {
            let (found, version) = self.read().await?;
            if found != expected {
                return Ok(false);
            }
            if self.write(value, version).await? {
                return Ok(true);
            }
        }
    }

    /// The value, and the version that it has if there is a node.
    async fn read(&self) -> Result<(i64, Option<u64>), Error> {
        match self.client.get(&self.path).await {
            Ok((data, stat)) => Ok((self.number(&data)?, Some(stat.version))),
            Err(error) if error.is(ErrorCode::NoNode) => Ok((0, None)),
            Err(error) => Err(error),
        }
    }

    /// Writes a value if the node still is as it was read; false if not.
    async fn write(&self, value: i64, version: Option<u64>) -> Result<bool, Error> {
        let data = value.to_string();
        let written = match version {
            Some(_) => self.client.set(&self.path, data, version).await.map(drop),
            None => {
                let create = self.client.create_node(&self.path).data(data);
                create.parents().await.map(drop)
            }
        };
        match written {
            Ok(()) => Ok(true),
            Err(error) if overtaken(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn number(&self, data: &[u8]) -> Result<i64, Error> {
        let text = str::from_utf8(data).ok();
        let number = text.and_then(|text| text.trim().parse().ok());
        number.ok_or_else(|| Error::Content {
            path: self.path.clone(),
            expected: "a decimal number".to_owned(),
            found: String::from_utf8_lossy(data).chars().take(40).collect(),
        })
    }
}

/// True if somebody else wrote, created or deleted the node meanwhile.
fn overtaken(error: &Error) -> bool {
    [
        ErrorCode::BadVersion,
        ErrorCode::NodeExists,
        ErrorCode::NoNode,
    ]
    .iter()
    .any(|code| error.is(*code))
}
