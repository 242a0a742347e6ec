//! `zareba call`: an operation of a mounted plugin, or what it would come to.

use serde_json::{Value, json};
use zareba_client::model::{Effect, Explained, ExplainedAnswer};

use crate::args::{Call, Format};
use crate::console::Console;
use crate::output;

pub(super) async fn run(call: Call, console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let (mount, op, input) = (&call.mount, call.op.as_str(), call.input.into_bytes());
            if call.explain {
                let explained = client.explain(mount, op, input).await?;
                return explain(&explained, console.format);
            }
            let answer = client.call(mount, op, input).await?;
            match console.format {
                Format::Text => output::raw(&answer)?,
                Format::Json => output::line(value(&answer))?,
            }
            if call.hold {
                console.hold(client).await?;
            }
            Ok(())
        })
        .await
}

/// An answer: JSON where it is JSON.
fn value(answer: &[u8]) -> Value {
    let value = serde_json::from_slice(answer);
    value.unwrap_or_else(|_| output::data_json(answer))
}

fn explain(told: &Explained, format: Format) -> anyhow::Result<()> {
    let cost = &told.cost;
    let micros = |ns: u64| ns as f64 / 1_000.0;
    if format == Format::Json {
        let answer = match &told.answer {
            Ok(ExplainedAnswer::Done(answer)) => json!({ "done": value(answer) }),
            Ok(ExplainedAnswer::Parks { tag, timeout_ms }) => {
                json!({ "parks": { "tag": tag, "timeout_ms": timeout_ms } })
            }
            Err(fault) => {
                json!({ "fault": { "code": fault.code.number(), "message": fault.message } })
            }
        };
        let effects: Vec<_> = told.effects.iter().map(effect_json).collect();
        return output::line(json!({
            "answer": answer,
            "transaction": effects,
            "log": told.log,
            "host_calls": cost.host_calls,
            "changes": cost.changes,
            "bytes": cost.bytes,
            "memory_bytes": cost.memory_bytes,
            "instantiate_us": micros(cost.instantiate_ns),
            "guest_us": micros(cost.guest_ns),
        }));
    }
    match &told.answer {
        Ok(ExplainedAnswer::Done(answer)) => {
            output::line(format_args!("answers     {}", value(answer)))?;
        }
        Ok(ExplainedAnswer::Parks { tag, timeout_ms }) => {
            let timeout =
                timeout_ms.map_or_else(String::new, |ms| format!(", for {ms} ms at most"));
            output::line(format_args!("waits       for {tag:?}{timeout}"))?;
        }
        Err(fault) => output::line(format_args!("is refused  {fault}"))?,
    }
    for effect in &told.effects {
        output::line(format_args!("would       {}", effect_text(effect)))?;
    }
    for (_, line) in &told.log {
        output::line(format_args!("logs        {line}"))?;
    }
    output::line(format_args!(
        "takes       {} host calls, {} changes, {} bytes, {} KiB of memory; {:.1} us to start, \
         {:.1} us to run",
        cost.host_calls,
        cost.changes,
        cost.bytes,
        cost.memory_bytes >> 10,
        micros(cost.instantiate_ns),
        micros(cost.guest_ns)
    ))
}

fn effect_text(effect: &Effect) -> String {
    let value = effect_json(effect);
    let field = |key: &str| match value.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => format!(" {text}"),
        Some(other) => format!(" {other}"),
    };
    ["does", "path", "tag", "call", "data", "owner"]
        .map(field)
        .concat()
        .trim_start()
        .to_owned()
}

/// What a guest can do, one thing; the rest of what a transaction may hold is no guest's.
fn effect_json(effect: &Effect) -> Value {
    match effect {
        Effect::CreateNode {
            path,
            data,
            lifetime,
            ..
        } => json!({
            "does": "create",
            "path": path.as_str(),
            "data": output::data_json(data),
            "owner": match lifetime.owner().0 {
                0 => Value::Null,
                owner => Value::from(format!("{owner:x}")),
            },
        }),
        Effect::SetNode {
            path,
            data,
            version,
        } => json!({
            "does": "set",
            "path": path.as_str(),
            "data": output::data_json(data),
            "version": version,
        }),
        Effect::DeleteNode { path } => json!({ "does": "delete", "path": path.as_str() }),
        Effect::EndCall { call, answer } => json!({
            "does": "answer",
            "call": format!("{:x}", call.0),
            "data": match answer {
                Ok(zareba_client::model::Outcome::Called(bytes)) => value(bytes),
                Ok(_) => Value::Null,
                Err(fault) => Value::from(fault.to_string()),
            },
        }),
        Effect::SetTimer(timer) => {
            json!({ "does": "set-timer", "tag": timer.tag, "due": timer.due })
        }
        Effect::ClearTimer { tag, .. } => json!({ "does": "clear-timer", "tag": tag }),
        other => json!({ "does": format!("{other:?}") }),
    }
}
