//! `zareba tree`: a subtree drawn, a line for each node, as it comes.

use serde_json::json;
use zareba_client::model::{Lifetime, SessionId, Stat};

use super::walk::{Met, Walk};
use crate::args::{Format, Tree};
use crate::console::Console;
use crate::output;

pub(super) async fn run(tree: Tree, console: &Console) -> anyhow::Result<()> {
    let root = tree.path.clone().unwrap_or_else(|| console.here());
    console
        .in_session(async |client| {
            let mut walk =
                Walk::new(client, root.clone()).down_to(tree.depth.unwrap_or(usize::MAX));
            let (mut drawing, mut nodes, mut bytes) = (Drawing::default(), 0, 0);
            let mut is_cut = false;
            while let Some(met) = walk.next().await? {
                if nodes == tree.limit {
                    is_cut = true;
                    break;
                }
                nodes += 1;
                bytes += u64::from(met.stat.data_length);
                match console.format {
                    Format::Text => output::line(drawing.line(&met))?,
                    Format::Json => output::line(node_json(&met))?,
                }
            }
            let cut = if is_cut {
                format!("; there are more: --limit {} was reached", tree.limit)
            } else {
                String::new()
            };
            console.say(
                format!("{nodes} nodes, {bytes} bytes{cut}"),
                json!({ "nodes": nodes, "bytes": bytes, "cut": is_cut }),
            )
        })
        .await
}

fn node_json(met: &Met) -> serde_json::Value {
    json!({
        "path": met.path.as_str(),
        "depth": met.depth,
        "dataLength": met.stat.data_length,
        "numChildren": met.stat.num_children,
        "ephemeral": met.stat.lifetime.owner() != SessionId::NONE,
    })
}

/// The lines that lead from parents to children.
#[derive(Default)]
struct Drawing {
    /// For each level above the node, whether it goes on below.
    goes_on: Vec<bool>,
}

impl Drawing {
    fn line(&mut self, met: &Met) -> String {
        let facts = facts(&met.stat);
        let Some(above) = met.depth.checked_sub(1) else {
            return format!("{}{facts}", met.path);
        };
        self.goes_on.truncate(above);
        let mut line = String::new();
        for goes_on in &self.goes_on {
            line.push_str(if *goes_on { "│   " } else { "    " });
        }
        line.push_str(if met.is_last {
            "└── "
        } else {
            "├── "
        });
        self.goes_on.push(!met.is_last);
        format!("{line}{}{facts}", met.path.name())
    }
}

/// What is worth saying of a node beside its name.
fn facts(stat: &Stat) -> String {
    let mut facts = Vec::new();
    match stat.num_children {
        0 => {}
        1 => facts.push("1 child".to_owned()),
        children => facts.push(format!("{children} children")),
    }
    match stat.data_length {
        0 => {}
        1 => facts.push("1 byte".to_owned()),
        bytes => facts.push(format!("{bytes} bytes")),
    }
    if stat.lifetime != Lifetime::Persistent {
        facts.push(output::lifetime(stat.lifetime));
    }
    if facts.is_empty() {
        return String::new();
    }
    format!("  ({})", facts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zareba_client::model::ZnodePath;

    #[test]
    fn lines_lead_from_parents_to_children() {
        let mut drawing = Drawing::default();
        let nodes = [
            ("/r", 0, true, 2, 0),
            ("/r/a", 1, false, 1, 0),
            ("/r/a/x", 2, true, 1, 3),
            ("/r/a/x/y", 3, true, 0, 0),
            ("/r/b", 1, true, 1, 0),
            ("/r/b/z", 2, true, 0, 1),
        ];
        let drawn = nodes.map(|(path, depth, is_last, num_children, data_length)| {
            drawing.line(&Met {
                path: ZnodePath::parse(path).unwrap(),
                stat: Stat {
                    num_children,
                    data_length,
                    ..Stat::default()
                },
                depth,
                is_last,
            })
        });
        let expected = "\
/r  (2 children)
├── a  (1 child)
│   └── x  (1 child, 3 bytes)
│       └── y
└── b  (1 child)
    └── z  (1 byte)";
        assert_eq!(drawn.join("\n"), expected);
    }
}
