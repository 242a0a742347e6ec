//! `zareba du`: where the nodes and the bytes are. It keeps the largest children only, and a sum of
//! the others.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde_json::json;

use super::walk::Walk;
use crate::args::{Du, Format};
use crate::console::Console;
use crate::output;

pub(super) async fn run(du: Du, console: &Console) -> anyhow::Result<()> {
    let root = du.path.clone().unwrap_or_else(|| console.here());
    console
        .in_session(async |client| {
            let bar = output::counter("nodes");
            let mut walk = Walk::new(client, root.clone());
            let (mut total, mut largest) = (Size::default(), Largest::new(du.limit));
            let mut child: Option<Child> = None;
            while let Some(met) = walk.next().await? {
                let bytes = u64::from(met.stat.data_length);
                total.add(bytes);
                bar.set_position(total.nodes);
                if met.depth == 1 {
                    largest.offer(child.take());
                    child = Some(Child {
                        size: Size::default(),
                        name: met.path.name().to_owned(),
                    });
                }
                if let Some(child) = &mut child {
                    child.size.add(bytes);
                }
            }
            largest.offer(child);
            bar.finish_and_clear();
            show(&root.to_string(), &total, largest, console)
        })
        .await
}

/// How much a subtree holds, its root with it. Ordered by bytes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Size {
    bytes: u64,
    nodes: u64,
}

impl Size {
    fn add(&mut self, bytes: u64) {
        self.nodes += 1;
        self.bytes += bytes;
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Child {
    size: Size,
    name: String,
}

/// The largest children, and what the others come to.
struct Largest {
    limit: usize,
    kept: BinaryHeap<Reverse<Child>>,
    others: Size,
    others_count: u64,
}

impl Largest {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: BinaryHeap::new(),
            others: Size::default(),
            others_count: 0,
        }
    }

    fn offer(&mut self, child: Option<Child>) {
        let Some(child) = child else { return };
        self.kept.push(Reverse(child));
        if self.kept.len() > self.limit
            && let Some(Reverse(smallest)) = self.kept.pop()
        {
            self.others.bytes += smallest.size.bytes;
            self.others.nodes += smallest.size.nodes;
            self.others_count += 1;
        }
    }

    /// The largest first.
    fn into_sorted(self) -> Vec<Child> {
        let sorted = self.kept.into_sorted_vec();
        sorted.into_iter().map(|Reverse(child)| child).collect()
    }
}

fn show(root: &str, total: &Size, largest: Largest, console: &Console) -> anyhow::Result<()> {
    let (others, others_count) = (largest.others, largest.others_count);
    let mut rows = Vec::new();
    let row = |size: &Size, what: String| [size.nodes.to_string(), size.bytes.to_string(), what];
    for Child { size, name } in largest.into_sorted() {
        match console.format {
            Format::Text => rows.push(row(&size, name)),
            Format::Json => output::line(json!({
                "name": name,
                "nodes": size.nodes,
                "bytes": size.bytes,
            }))?,
        }
    }
    if console.format == Format::Json {
        return output::line(json!({
            "total": root,
            "nodes": total.nodes,
            "bytes": total.bytes,
            "others": { "children": others_count, "nodes": others.nodes, "bytes": others.bytes },
        }));
    }
    if others_count > 0 {
        rows.push(row(&others, format!("({others_count} others)")));
    }
    rows.push(row(total, format!("{root} (itself and all below)")));
    output::line(output::table(["NODES", "BYTES", "SUBTREE"], rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_kept_and_the_others_summed_up() {
        let mut largest = Largest::new(2);
        for (name, bytes, nodes) in [("a", 5, 1), ("b", 50, 2), ("c", 7, 9), ("d", 6, 1)] {
            let size = Size { bytes, nodes };
            let name = name.to_owned();
            largest.offer(Some(Child { size, name }));
        }
        assert_eq!(
            largest.others,
            Size {
                bytes: 11,
                nodes: 2
            }
        );
        assert_eq!(largest.others_count, 2);
        let names: Vec<_> = largest
            .into_sorted()
            .into_iter()
            .map(|it| it.name)
            .collect();
        assert_eq!(names, ["b", "c"]);
    }
}
