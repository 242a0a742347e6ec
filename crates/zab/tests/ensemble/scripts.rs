//! Runs the scripts of testdata: commands, `----`, and what must happen. `UPDATE_EXPECT=1` writes the
//! expectations anew, for a person to read.
//!
//! | command | |
//! |---|---|
//! | `servers N`, first | an ensemble of N, none up |
//! | `spares N` | N servers more, which are no members |
//! | `window N` | entries kept in memory |
//! | `feed N`, `batch N` | bytes under way to a follower; in a message |
//! | `counter-max N` | the last number of an epoch |
//! | `rot A` | the log of A, which is down, is lost below its durable mark |
//! | `start I..`, `crash I..` | servers come up, with links to all that are up; go down |
//! | `cut A B`, `connect A B` | the link between two breaks, stands |
//! | `hold A B`, `release A B` | words from A to B wait, go on |
//! | `hold-disk A`, `release-disk A` | writes of A are not synced, are |
//! | `propose A WORD..` | a batch of proposals, one by one if A may |
//! | `change A add B`, `remove`, `promote`, `demote`, `replace B C` | A proposes another ensemble |
//! | `settle A` | A proposes the end of the change under way |
//! | `purge` | logs on disk do not go back any more |
//! | `run MS` | time passes |
//! | `input A hole` | A receives, as from its leader, a proposal that leaves one out |

use std::collections::BTreeSet;

use bytes::Bytes;
use zareba_model::{EnsembleChange, Entry, ServerId, Zxid};
use zareba_zab::{Config, Input, Message, Role};

use crate::cluster::Cluster;
use crate::membership::{add, encode};

struct Script {
    cluster: Cluster,
    held_disks: BTreeSet<ServerId>,
}

fn numbers(words: &[&str]) -> Vec<u64> {
    words
        .iter()
        .map(|word| word.parse().expect("a number"))
        .collect()
}

fn servers(words: &[&str]) -> Vec<ServerId> {
    numbers(words).into_iter().map(ServerId).collect()
}

impl Script {
    fn new(commands: &str) -> Self {
        let size =
            |name, default| usize::try_from(setting(commands, name, default)).expect("a size");
        let members = setting(commands, "servers ", 3);
        let mut config = Config::new(ServerId(1), (1..=members).map(ServerId));
        config.window_entries = size("window ", 1000);
        config.feed_bytes_max = size("feed ", 1 << 20);
        config.batch_bytes_max = size("batch ", 1 << 20);
        let counter_max = setting(commands, "counter-max ", u64::from(u32::MAX));
        config.counter_max = u32::try_from(counter_max).expect("a counter");
        let all = (1..=members + setting(commands, "spares ", 0)).map(ServerId);
        let mut cluster = Cluster::with_spares(config, all.collect(), 1);
        cluster.tracing = true;
        Self {
            cluster,
            held_disks: BTreeSet::new(),
        }
    }

    fn command(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let cluster = &mut self.cluster;
        match words.as_slice() {
            ["start", ids @ ..] => servers(ids).into_iter().for_each(|id| cluster.start(id)),
            ["crash", ids @ ..] => servers(ids).into_iter().for_each(|id| self.crash(id)),
            ["cut", ids @ ..] => {
                let ids = servers(ids);
                cluster.network.cut(ids[0], ids[1]);
            }
            ["connect", ids @ ..] => {
                let ids = servers(ids);
                cluster.network.connect(ids[0], ids[1]);
            }
            ["hold", ids @ ..] => {
                let ids = servers(ids);
                cluster.network.stick(ids[0], ids[1], u64::MAX);
            }
            ["release", ids @ ..] => {
                let ids = servers(ids);
                cluster.network.stick(ids[0], ids[1], 0);
            }
            ["hold-disk", id] => {
                self.held_disks.insert(servers(&[id])[0]);
            }
            ["release-disk", id] => {
                let id = servers(&[id])[0];
                self.held_disks.remove(&id);
                for write in &mut cluster.node_mut(id).disk.pending {
                    write.0 = 0;
                }
            }
            ["propose", id, payloads @ ..] => {
                let id = servers(&[id])[0];
                for payload in payloads {
                    cluster.propose(id, (*payload).to_owned());
                }
                cluster.flush(id);
            }
            ["change", id, change @ ..] => self.change(servers(&[id])[0], change),
            ["settle", id] => {
                let id = servers(&[id])[0];
                let zab = cluster.node(id).zab.as_ref().expect("a server that is up");
                let settled = zab.ensemble().settled().expect("a change under way");
                cluster.propose(id, encode(&settled));
                cluster.flush(id);
            }
            ["purge"] => cluster.weather.gone_one_in = 1,
            ["rot", id] => {
                let image = &mut cluster.node_mut(servers(&[id])[0]).disk.image;
                let lost = image.log.drain(..).map(|entry| entry.zxid);
                image.rotten.extend(lost);
                image.committed = image.base;
                image.damaged = true;
            }
            ["run", ms] => (0..numbers(&[ms])[0]).for_each(|_| self.step()),
            ["input", id, "hole"] => self.hole(servers(&[id])[0]),
            other => panic!("unknown command {other:?}"),
        }
    }

    fn change(&mut self, leader: ServerId, words: &[&str]) {
        let of = servers(&words[1..]);
        let (server, weight, group) = (of[0], 1, 0);
        let change = match words[0] {
            "add" => add(server),
            "remove" => EnsembleChange::Remove { server },
            "promote" => EnsembleChange::Promote {
                server,
                weight,
                group,
            },
            "demote" => EnsembleChange::Demote { server },
            "replace" => EnsembleChange::Replace {
                old: server,
                new: of[1],
            },
            other => panic!("unknown change {other}"),
        };
        let zab = self.cluster.node(leader).zab.as_ref();
        let ensemble = zab.expect("a server that is up").ensemble();
        let next = ensemble.change(&change).expect("a change that makes sense");
        self.cluster.propose(leader, encode(&next));
        self.cluster.flush(leader);
    }

    /// A crash that loses every write that is not synced.
    fn crash(&mut self, id: ServerId) {
        self.cluster.node_mut(id).disk.pending.clear();
        self.cluster.crash(id);
    }

    fn step(&mut self) {
        for id in &self.held_disks {
            for write in &mut self.cluster.node_mut(*id).disk.pending {
                write.0 = u64::MAX;
            }
        }
        self.cluster.step();
    }

    fn hole(&mut self, id: ServerId) {
        let zab = self
            .cluster
            .node(id)
            .zab
            .as_ref()
            .expect("a server that is up");
        let Role::Following { leader, epoch } = zab.role() else {
            panic!("{id} does not follow");
        };
        let after = zab.last_logged().next().expect("a number");
        let message = Message::Propose {
            epoch,
            after,
            entries: vec![Entry {
                zxid: after.next().expect("a number"),
                payload: Bytes::from_static(b"hole"),
            }],
            committed: Zxid::ZERO,
        };
        let from = leader;
        self.cluster.input(id, Input::Received { from, message });
        self.cluster.flush(id);
    }
}

fn setting(commands: &str, name: &str, default: u64) -> u64 {
    let line = commands.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(default, |text| text.trim().parse().expect("a number"))
}

fn run(commands: &str) -> String {
    let mut script = Script::new(commands);
    let mut text = String::new();
    for line in commands.lines() {
        let settings = [
            "#",
            "servers ",
            "spares ",
            "window ",
            "feed ",
            "batch ",
            "counter-max ",
        ];
        if line.trim().is_empty() || settings.iter().any(|word| line.starts_with(word)) {
            continue;
        }
        text.push_str(&format!("> {line}\n"));
        script.command(line);
        for happened in script.cluster.trace.drain(..) {
            text.push_str(&format!("{happened}\n"));
        }
    }
    text
}

/// Runs one script and compares.
fn check(name: &str) {
    let path = format!("{}/testdata/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the script");
    let (commands, expected) = text.split_once("----\n").unwrap_or((&text, ""));
    let happened = run(commands);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, format!("{commands}----\n{happened}")).expect("the script");
        return;
    }
    assert_eq!(expected, happened, "{name}: not what the script expects");
}

macro_rules! scripts {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*

        #[test]
        fn every_script_is_run() {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
            let files = std::fs::read_dir(folder).expect("the folder").count();
            assert_eq!(files, [$(stringify!($name)),*].len());
        }
    };
}

scripts! {
    three_servers_elect_and_broadcast
    a_follower_behind_gets_a_diff
    an_uncommitted_tail_is_truncated
    a_follower_far_behind_gets_a_snapshot
    a_follower_behind_the_window_is_fed_from_disk
    a_stale_tail_below_the_window_is_truncated
    a_slow_follower_is_sent_no_more_than_it_can_take
    an_observer_is_told_what_is_committed_and_becomes_a_voter
    a_promise_given_before_is_asked_for_anew
    a_removed_leader_goes_when_everybody_knows
    a_removed_leader_that_alone_knows_leads_until_it_is_done
    a_change_that_is_lost_is_taken_back
    a_replaced_server_is_dismissed
    a_leader_of_a_newer_ensemble_is_joined_on_its_word
    a_leader_dies_and_another_is_elected
    no_ack_before_it_is_durable
    a_commit_between_newleader_and_uptodate_is_kept
    a_hole_sends_the_follower_looking
    a_used_up_counter_opens_a_new_epoch
    a_damaged_server_counts_only_once_it_is_level
    stale_tails_of_two_epochs_are_truncated
}
