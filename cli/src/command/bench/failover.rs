//! `zareba bench failover`: how long nobody can write when the leader goes, and where that time
//! goes. The servers' part is read from what they log, with the times they log.

use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use zareba_client::model::ServerId;

use super::own_ensemble::OwnEnsemble;
use super::quantiles::{self, HEADER};
use super::writers::{Ack, Notes, Writers};
use crate::args::{Downfall, Failover, Format};
use crate::{clock, output};

/// A server's words when it looks for a leader.
const LOOKING: &str = "looking for a leader";

/// A server's words when it leads.
const LEADING: &str = "leading epoch=";

/// What was measured, microseconds each.
#[derive(Debug, Default)]
struct Samples {
    /// From the leader's end to the next acknowledged write.
    outage: Vec<u64>,
    /// To the first survivor that looks for a leader.
    detection: Vec<u64>,
    /// From there until one of them leads, established.
    election: Vec<u64>,
    /// From there to the first acknowledged write.
    resumption: Vec<u64>,
    /// From the leader's end until a session it held is held by another server, each session.
    move_over: Vec<u64>,
    /// From the leader's end until every session has written.
    everybody: Vec<u64>,
}

/// Elections that nobody's death has caused, and what became of writes.
#[derive(Debug, Default)]
struct Calm {
    seconds: u64,
    writes: usize,
    elections: usize,
    refused: u64,
}

pub(super) async fn run(failover: Failover, format: Format) -> anyhow::Result<()> {
    let mut ensemble = OwnEnsemble::start(&failover.own).await?;
    let writers = Writers::start(
        ensemble.profile(),
        failover.sessions,
        failover.in_flight,
        failover.value_size,
    )
    .await?;
    let mut calm = watch_the_calm(&ensemble, &writers, failover.calm).await?;
    let mut samples = Samples::default();
    let progress = output::progress("rounds", failover.rounds as u64);
    for _ in 0..failover.rounds {
        let leader = ensemble.serving().await?;
        tokio::time::sleep(BETWEEN).await;
        calm.refused += writers.take_notes().refused;
        round(&mut ensemble, &writers, leader, failover.how, &mut samples).await?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    writers.stop().await?;
    report(&failover, &samples, &calm, format)
}

/// Under load and with everybody alive nobody should look for a leader.
async fn watch_the_calm(
    ensemble: &OwnEnsemble,
    writers: &Writers,
    seconds: u64,
) -> anyhow::Result<Calm> {
    let from = clock::unix_us();
    let mut calm = Calm {
        seconds,
        ..Calm::default()
    };
    for _ in 0..seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let notes = writers.take_notes();
        calm.writes += notes.acks.len();
        calm.refused += notes.refused;
    }
    let to = clock::unix_us();
    let journals = ensemble.members().map(|it| &it.journal);
    calm.elections = journals.map(|it| it.count(from, to, LOOKING)).sum();
    Ok(calm)
}

/// The leader goes, another takes over, and the first comes back.
async fn round(
    ensemble: &mut OwnEnsemble,
    writers: &Writers,
    leader: ServerId,
    how: Downfall,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    let held = writers.held_by(leader);
    let member = ensemble.member(leader)?;
    let gone = match how {
        Downfall::Kill => member.kill()?,
        Downfall::Freeze => member.freeze().await?,
    };
    let survivors = || ensemble.members().filter(|it| it.place.id != leader);
    let led = survivors().map(|it| Box::pin(it.journal.until(gone, LEADING)));
    let (led, ..) = futures::future::select_all(led).await;
    let led = led?;
    let looked = survivors().filter_map(|it| it.journal.first(gone, LOOKING));
    let looked = looked.min().context("a leader came without an election")?;
    writers.all_write_after(led).await?;
    samples.add(gone, looked, led, &held, &writers.take_notes());

    let member = ensemble.member(leader)?;
    if how == Downfall::Freeze {
        member.kill()?;
    }
    member.bury().await?;
    member.start().await?;
    Ok(())
}

impl Samples {
    fn add(&mut self, gone: u64, looked: u64, led: u64, held: &[usize], notes: &Notes) {
        let Some(resumed) = resumption(&notes.acks, gone) else {
            return;
        };
        self.outage.push(resumed.saturating_sub(gone));
        self.detection.push(looked.saturating_sub(gone));
        self.election.push(led.saturating_sub(looked));
        self.resumption.push(resumed.saturating_sub(led));
        for session in held {
            let later = notes.attachments.iter().filter(|it| it.at > gone);
            let moved = later.filter(|it| it.session == *session).map(|it| it.at);
            self.move_over.extend(moved.min().map(|at| at - gone));
        }
        let sessions = notes.acks.iter().map(|ack| ack.session).max().unwrap_or(0);
        let first = |session| {
            let own = notes.acks.iter().filter(|ack| ack.session == session);
            own.map(|ack| ack.at).filter(|at| *at >= resumed).min()
        };
        let last = (0..=sessions).filter_map(first).max();
        self.everybody
            .extend(last.map(|at| at.saturating_sub(gone)));
    }
}

/// When writes went on: the end of the longest time without an acknowledged write behind `gone`.
/// Replies that were on their way when the leader went may still arrive right after.
fn resumption(acks: &[Ack], gone: u64) -> Option<u64> {
    let mut at: Vec<u64> = acks.iter().map(|ack| ack.at).collect();
    at.sort_unstable();
    let mut before = gone;
    let mut longest = None;
    for at in at.into_iter().filter(|at| *at > gone) {
        if longest.is_none_or(|(length, _)| at - before > length) {
            longest = Some((at - before, at));
        }
        before = at;
    }
    longest.map(|(_, end)| end)
}

fn report(
    failover: &Failover,
    samples: &Samples,
    calm: &Calm,
    format: Format,
) -> anyhow::Result<()> {
    let rows = [
        ("leader gone to next write", "outage", &samples.outage),
        ("  until a survivor looks", "detection", &samples.detection),
        ("  until one leads", "election", &samples.election),
        (
            "  until a write is acknowledged",
            "resumption",
            &samples.resumption,
        ),
        (
            "its sessions are held again",
            "move_over",
            &samples.move_over,
        ),
        ("every session has written", "everybody", &samples.everybody),
    ];
    let table = output::table(
        HEADER,
        rows.map(|(name, _, samples)| quantiles::row(name, samples))
            .into(),
    );
    let mut value = json!({
        "rounds": samples.outage.len(),
        "sessions": failover.sessions,
        "in_flight": failover.in_flight,
        "value_size": failover.value_size,
        "calm": {
            "seconds": calm.seconds,
            "writes": calm.writes,
            "elections": calm.elections,
            "refused": calm.refused,
        },
    });
    for (_, key, samples) in rows {
        if let Some(object) = value.as_object_mut() {
            object.insert(format!("{key}_us"), quantiles::json(samples));
        }
    }
    let text = format!(
        "{table}\n\nbefore: {} s of load, {} writes, {} elections without a cause",
        calm.seconds, calm.writes, calm.elections
    );
    output::say(format, text, value)
}

/// Load between two rounds, so that each begins in full swing.
const BETWEEN: Duration = Duration::from_millis(700);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_go_on_behind_the_longest_silence() {
        let acks = |at: &[u64]| -> Vec<Ack> {
            let session = 0;
            at.iter().map(|at| Ack { at: *at, session }).collect()
        };
        assert_eq!(
            resumption(&acks(&[90, 99, 103, 350, 351, 380]), 100),
            Some(350)
        );
        assert_eq!(resumption(&acks(&[90, 300, 301]), 100), Some(300));
        assert_eq!(resumption(&acks(&[90]), 100), None);
    }

    #[test]
    fn a_round_is_split_where_the_servers_say() {
        let ack = |at, session| Ack { at, session };
        let notes = Notes {
            acks: vec![ack(90, 0), ack(95, 1), ack(400, 1), ack(430, 0)],
            attachments: vec![super::super::writers::Attachment {
                at: 420,
                session: 0,
                server: ServerId(2),
            }],
            refused: 0,
        };
        let mut samples = Samples::default();
        samples.add(100, 300, 350, &[0], &notes);
        assert_eq!(samples.outage, [300]);
        assert_eq!(samples.detection, [200]);
        assert_eq!(samples.election, [50]);
        assert_eq!(samples.resumption, [50]);
        assert_eq!(samples.move_over, [320]);
        assert_eq!(samples.everybody, [330]);
    }
}
