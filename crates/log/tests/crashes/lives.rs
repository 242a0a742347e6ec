//! Random work with the power cut at calls of the disk, life after life on the same disk.

use std::cell::RefCell;
use std::rc::Rc;

use zareba_log::{Config, Log, MemoryDisk, Recovered};

use crate::model::Model;
use crate::random::Random;

const SMALL: Config = Config {
    segment_bytes: 12 << 10,
};

type Shared = Rc<RefCell<MemoryDisk>>;

/// One life after the other on the same disk; each ends with a crash in the middle of a call, in
/// the opening too.
fn run(seed: u64, lives: u64) {
    let mut random = Random(seed);
    let mut model = Model::new();
    let disk: Shared = Rc::default();
    for life in 0..lives {
        let trace = format!("seed {seed}, life {life}");
        if random.below(8) > 0 {
            disk.borrow_mut().power_off_after(random.next() % 60);
        }
        match Log::open(disk.clone(), SMALL, model.origin) {
            Ok((mut log, recovered)) => {
                model.check_alive(&disk, &mut log, &recovered, &trace);
                for _ in 0..40 {
                    if let Err(error) = model.step(&mut log, &mut random) {
                        assert!(disk.borrow().is_powered_off(), "{trace}: {error}");
                        break;
                    }
                }
            }
            Err(error) => assert!(disk.borrow().is_powered_off(), "{trace}: {error}"),
        }
        if random.below(4) == 0 {
            disk.borrow_mut().kill_process();
        } else {
            disk.borrow_mut().crash(&mut || random.next());
        }
    }
}

impl Model {
    /// Opening has no effect that reading could undo, so the power may stay armed while it reads.
    fn check_alive(
        &mut self,
        disk: &Shared,
        log: &mut Log<Shared>,
        recovered: &Recovered,
        trace: &str,
    ) {
        assert!(!disk.borrow().is_powered_off(), "{trace}");
        self.check(log, recovered, trace);
    }
}

#[test]
fn what_was_synced_survives_and_what_was_cut_stays_away() {
    for seed in 0..400 {
        run(seed, 25);
    }
}

#[test]
fn the_power_may_go_at_every_single_call() {
    // The same work each time, cut one call later each time.
    for cut in 0..250 {
        let disk: Shared = Rc::default();
        let mut model = Model::new();
        let mut random = Random(7);
        disk.borrow_mut().power_off_after(cut);
        if let Ok((mut log, _)) = Log::open(disk.clone(), SMALL, model.origin) {
            while model.step(&mut log, &mut random).is_ok() && disk.borrow().calls() < 260 {}
        }
        let mut dice = Random(cut);
        for crash in 0..8 {
            let mut after = disk.borrow().clone();
            after.crash(&mut || dice.next());
            let after = Rc::new(RefCell::new(after));
            let (mut log, recovered) = Log::open(after, SMALL, model.origin).unwrap();
            let trace = format!("cut at call {cut}, crash {crash}");
            model.clone().check(&mut log, &recovered, &trace);
        }
    }
}
