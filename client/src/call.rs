//! Calls of mounted plugins, with bytes or JSON. Knows nothing of any plugin.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zareba_model::{Op, Outcome};

use crate::client::unexpected;
use crate::{Client, Error, IntoPath};

impl Client {
    /// Calls an operation of the plugin mounted at a path. A call that waits for something, such
    /// as a lock, is answered when it has happened; other requests go on meanwhile.
    ///
    /// A call refused with [`ErrorCode::PluginNotReady`](zareba_model::ErrorCode::PluginNotReady)
    /// had no effect: it is sent again for up to the request timeout, or ten seconds without one,
    /// since a new leader may still be compiling. It then comes behind requests made meanwhile.
    ///
    /// Cancellation: a dropped future does not take the call back. One that waits goes on waiting until
    /// the plugin answers it or the session ends; [`Lock`](crate::Lock) gives back what it is given then.
    pub async fn call(
        &self,
        mount: impl IntoPath,
        op: impl Into<String>,
        input: impl Into<Bytes>,
    ) -> Result<Bytes, Error> {
        let mount = self.absolute(mount)?;
        let (op, input) = (op.into(), input.into());
        let call = Op::Call { mount, op, input };
        let asked = async {
            let mut retry = self.retry();
            loop {
                let result = self.ask(call.clone()).await;
                if !retry.is_due(&result).await {
                    return result;
                }
            }
        };
        called(self.within_request_timeout(asked).await?.outcome)
    }

    /// The same with JSON in and out, as the standard recipes have it.
    pub async fn call_json<I: Serialize + ?Sized, O: DeserializeOwned>(
        &self,
        mount: impl IntoPath,
        op: impl Into<String>,
        input: &I,
    ) -> Result<O, Error> {
        let output = self.call(mount, op, to_json(input)?).await?;
        from_json(&output)
    }
}

pub(crate) fn called(outcome: Outcome) -> Result<Bytes, Error> {
    match outcome {
        Outcome::Called(output) => Ok(output),
        other => Err(unexpected("a call", &other)),
    }
}

pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, Error> {
    let json = serde_json::to_vec(value).map_err(|error| not_json("the input", &error))?;
    Ok(json.into())
}

pub(crate) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(json).map_err(|error| not_json("the output", &error))
}

fn not_json(what: &str, error: &serde_json::Error) -> Error {
    Error::Json {
        what: what.to_owned(),
        reason: error.to_string(),
    }
}
