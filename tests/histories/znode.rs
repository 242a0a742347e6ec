//! One znode as it is promised to be: what each call answers and leaves behind, one after the other.
//! Knows nothing of servers, clients and time.

use todc_utils::Specification;

/// What is asked of a znode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Make it.
    Create { value: u64 },
    /// Replace its data, if it has the version named.
    Set { value: u64, version: Option<u64> },
    /// End it, if it has the version named.
    Delete { version: Option<u64> },
    /// Demand, in the order of writes, that it has the version named.
    Check { version: Option<u64> },
    /// Its data, by a linearizable read.
    Get,
    /// Whether it is there, by a linearizable read.
    Exists,
}

/// What the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Of a create, a set, or an exists that found it: its version.
    Version(u64),
    /// Of a get.
    Data {
        value: u64,
        version: u64,
    },
    /// Of an exists that did not find it.
    Absent,
    /// Of a delete or a check.
    Done,
    NoNode,
    NodeExists,
    BadVersion,
}

/// A znode that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Znode {
    value: u64,
    version: u64,
}

impl Call {
    /// False for what leaves everything as it is.
    pub(crate) fn writes(self) -> bool {
        matches!(
            self,
            Self::Create { .. } | Self::Set { .. } | Self::Delete { .. }
        )
    }

    /// The one answer that there is, and what is there behind it.
    fn apply(self, before: Option<Znode>) -> (Answer, Option<Znode>) {
        let Some(znode) = before else {
            return match self {
                Self::Create { value } => (Answer::Version(0), Some(Znode { value, version: 0 })),
                Self::Exists => (Answer::Absent, None),
                _ => (Answer::NoNode, None),
            };
        };
        let Znode { value, version } = znode;
        let differs = |demanded: Option<u64>| demanded.is_some_and(|it| it != version);
        match self {
            Self::Create { .. } => (Answer::NodeExists, before),
            Self::Set { version, .. } | Self::Delete { version } | Self::Check { version }
                if differs(version) =>
            {
                (Answer::BadVersion, before)
            }
            Self::Set { value, .. } => {
                let version = version + 1;
                (Answer::Version(version), Some(Znode { value, version }))
            }
            Self::Delete { .. } => (Answer::Done, None),
            Self::Check { .. } => (Answer::Done, before),
            Self::Get => (Answer::Data { value, version }, before),
            Self::Exists => (Answer::Version(version), before),
        }
    }
}

/// A call and what its caller was told: nothing, if its outcome is unknown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) call: Call,
    pub(crate) answer: Option<Answer>,
}

/// The znode for the checker. At first there is none.
#[derive(Debug)]
pub(crate) struct Specified;

impl Specification for Specified {
    type State = Option<Znode>;
    type Operation = Told;

    fn init() -> Self::State {
        None
    }

    fn apply(told: &Told, before: &Self::State) -> (bool, Self::State) {
        let (answer, after) = told.call.apply(*before);
        // Whoever was told nothing can have no objection.
        match told.answer.is_none_or(|it| it == answer) {
            true => (true, after),
            false => (false, *before),
        }
    }
}
