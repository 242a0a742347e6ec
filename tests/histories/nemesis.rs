//! What happens to servers and clients while they work: kill -9, pauses, cut and moved connections,
//! drawn from a seed. How long each lasts is counted in operations of those who can still work, so
//! that whoever is struck has been missed. Knows no operation.

use std::fmt;

use harness::{Ensemble, Traffic};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

use crate::crew::Crew;

/// Operations that each of those who can work does while something lasts, at most.
const STRIKE_MAX: u64 = 40;

/// The same of one strike in some, so that sessions end meanwhile.
const LONG_STRIKE_MAX: u64 = 400;

/// Operations that everybody does before the next strike, at most.
const REST_MAX: u64 = 40;

/// How clients are cut off from all servers: mostly so that requests arrive and answers do not.
const CUTS: [Traffic; 4] = [
    Traffic::IsCut,
    Traffic::IsCutDownward,
    Traffic::IsCutDownward,
    Traffic::IsCutUpward,
];

/// See the file's head.
pub(crate) struct Nemesis {
    rng: StdRng,
    is_gentle: bool,
    pub(crate) tally: Tally,
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) strikes: u64,
    pub(crate) leaders_killed: u64,
    pub(crate) followers_killed: u64,
    pub(crate) all_killed: u64,
    pub(crate) leaders_paused: u64,
    pub(crate) followers_paused: u64,
    pub(crate) ways_cut: u64,
    pub(crate) clients_cut_off: u64,
    pub(crate) half_cut: u64,
    pub(crate) addresses_moved: u64,
    pub(crate) clients_killed: u64,
}

/// What has been done to servers, and is to be mended.
enum Servers {
    Untouched,
    Killed(u64),
    /// They come back in this order, with nobody to ask meanwhile.
    AllKilled([u64; 3]),
    Paused(u64),
}

/// Who was cut from what, and who can do nothing meanwhile.
#[derive(Default)]
struct Clients {
    cut: Vec<usize>,
    stranded: Vec<usize>,
}

impl Nemesis {
    /// One that strikes as this seed says.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            is_gentle: false,
            tally: Tally::default(),
        }
    }

    /// One that kills no clients and lets no strike last so long that a session would end.
    pub(crate) fn gentle(seed: u64) -> Self {
        Self {
            is_gentle: true,
            ..Self::new(seed)
        }
    }

    /// One strike at servers, clients or both, and its end.
    pub(crate) async fn strike(&mut self, ensemble: &mut Ensemble, crew: &mut Crew) {
        self.tally.strikes += 1;
        let clients = self.strike_clients(crew);
        let servers = self.strike_servers(ensemble).await;
        let mut able = crew.all();
        able.retain(|it| !clients.stranded.contains(it));
        let span = match self.rng.random_range(0..6) {
            0 if !self.is_gentle => self.rng.random_range(STRIKE_MAX..LONG_STRIKE_MAX),
            _ => self.rng.random_range(0..STRIKE_MAX),
        };
        match servers {
            Servers::Untouched => crew.go_on(&able, span).await,
            Servers::Killed(one) => {
                crew.go_on(&able, span).await;
                ensemble.restart(one).await;
            }
            Servers::AllKilled(all) => {
                for id in all {
                    ensemble.restart(id).await;
                }
                crew.go_on(&able, span).await;
            }
            Servers::Paused(id) => {
                crew.go_on(&able, span).await;
                ensemble.resume(id);
            }
        }
        for number in &clients.cut {
            crew.ways(*number).set(Traffic::Flows);
        }
        crew.go_on(&crew.all(), self.rng.random_range(1..REST_MAX))
            .await;
    }

    async fn strike_servers(&mut self, ensemble: &mut Ensemble) -> Servers {
        let choice = self.rng.random_range(0..10);
        if choice == 0 {
            return Servers::Untouched;
        }
        let leader = ensemble.leader().await;
        let follower = (leader + self.rng.random_range(1..3) - 1) % 3 + 1;
        match choice {
            1..=3 => self.tally.leaders_killed += 1,
            4 => self.tally.followers_killed += 1,
            5..=7 => self.tally.leaders_paused += 1,
            8 => self.tally.followers_paused += 1,
            _ => self.tally.all_killed += 1,
        }
        let victim = match choice {
            1..=3 | 5..=7 => leader,
            _ => follower,
        };
        match choice {
            1..=4 => {
                ensemble.kill(victim).await;
                Servers::Killed(victim)
            }
            5..=8 => {
                ensemble.pause(victim);
                Servers::Paused(victim)
            }
            _ => {
                let mut all = [1, 2, 3];
                all.shuffle(&mut self.rng);
                for id in all {
                    ensemble.kill(id).await;
                }
                Servers::AllKilled(all)
            }
        }
    }

    fn strike_clients(&mut self, crew: &mut Crew) -> Clients {
        let mut clients = Clients::default();
        let mut struck = crew.behind_relays();
        struck.shuffle(&mut self.rng);
        struck.truncate(self.rng.random_range(1..=struck.len()));
        match self.rng.random_range(0..8) {
            0..=1 => {
                for number in &struck {
                    self.tally.ways_cut += 1;
                    let server = crew.server_of(*number);
                    crew.ways(*number).set_to(server, Traffic::IsCut);
                }
                clients.cut = struck;
            }
            2..=4 => {
                let traffic = *CUTS.choose(&mut self.rng).unwrap();
                for number in &struck {
                    match traffic {
                        Traffic::IsCut => self.tally.clients_cut_off += 1,
                        _ => self.tally.half_cut += 1,
                    }
                    crew.ways(*number).set(traffic);
                }
                clients.stranded.clone_from(&struck);
                clients.cut = struck;
            }
            5 => {
                for number in &struck {
                    self.tally.addresses_moved += 1;
                    crew.ways(*number).move_address();
                }
            }
            6 if !self.is_gentle => {
                self.tally.clients_killed += 1;
                crew.kill(*crew.all().choose(&mut self.rng).unwrap());
            }
            _ => {}
        }
        clients
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} strikes: {} leaders and {} followers killed, all servers {} times; {} leaders and {} \
             followers paused; clients cut off from their server {} times, from all servers {} times, one \
             way {} times, moved to another address {} times, killed {} times",
            self.strikes,
            self.leaders_killed,
            self.followers_killed,
            self.all_killed,
            self.leaders_paused,
            self.followers_paused,
            self.ways_cut,
            self.clients_cut_off,
            self.half_cut,
            self.addresses_moved,
            self.clients_killed
        )
    }
}
