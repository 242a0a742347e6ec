//! Several reads of one point in time, collected, each with its own typed result. Knows no connection.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use zareba_model::{
    Acl, ChildrenPage, Fault, Op, Outcome, PathError, PathsPage, Principal, Read, ReadAnswer,
    ReadOutcome, SessionId, Stat, ZnodePath,
};

use crate::chroot::Chroot;
use crate::client::unexpected;
use crate::{ChildrenList, Client, Error, IntoPath, PathsList};

/// Reads to be answered together. Each method gives a [`Question`], which takes its answer out of the
/// [`Answers`]. A path that is none is reported by [`ask`](Self::ask).
///
/// ```no_run
/// # async fn example(client: zareba_client::Client) -> Result<(), zareba_client::Error> {
/// let mut reads = client.multi_read();
/// let config = reads.get("/config");
/// let leader = reads.exists("/leader");
/// let mut answers = reads.ask().await?;
/// let (data, _stat) = answers.take(config)?;
/// if answers.take(leader)?.is_some() {
///     println!("{data:?}, as it was while there was that leader");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `ask`"]
pub struct MultiRead {
    client: Client,
    reads: Vec<Read>,
    error: Option<PathError>,
    batch: Arc<()>,
}

/// One read of a [`MultiRead`], good for one answer.
#[must_use = "it takes the answer out of the answers"]
pub struct Question<T> {
    index: usize,
    batch: Arc<()>,
    parse: fn(ReadOutcome, &Chroot) -> Result<T, Error>,
}

impl<T> fmt::Debug for Question<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question({})", self.index)
    }
}

/// The results of a [`MultiRead`].
#[derive(Debug)]
pub struct Answers {
    answers: Vec<Option<ReadAnswer>>,
    batch: Arc<()>,
    root: Chroot,
}

impl Client {
    /// Begins several reads of one point in time: none of them sees what another does not. They leave no
    /// watches. Through a [`linearizable`](Self::linearizable) handle they see at least all that was
    /// acknowledged to anybody before.
    pub fn multi_read(&self) -> MultiRead {
        MultiRead {
            client: self.clone(),
            reads: Vec::new(),
            error: None,
            batch: Arc::new(()),
        }
    }
}

impl MultiRead {
    /// A node's data and stat.
    pub fn get(&mut self, path: impl IntoPath) -> Question<(Bytes, Stat)> {
        let read = self.of(path).map(|path| Read::Get { path, watch: false });
        self.add(read, |outcome, _| match outcome {
            ReadOutcome::Got { data, stat } => Ok((data, stat)),
            other => Err(otherwise(other)),
        })
    }

    /// A node's stat, or nothing if there is no such node.
    pub fn exists(&mut self, path: impl IntoPath) -> Question<Option<Stat>> {
        let read = self
            .of(path)
            .map(|path| Read::Exists { path, watch: false });
        self.add(read, |outcome, _| match outcome {
            ReadOutcome::Existence(stat) => Ok(stat),
            other => Err(otherwise(other)),
        })
    }

    /// One page of a node's children.
    pub fn children_page(
        &mut self,
        path: impl IntoPath,
        page: ChildrenPage,
    ) -> Question<ChildrenList> {
        let read = self.of(path).map(|path| Read::Children {
            path,
            page,
            watch: false,
        });
        self.add(read, |outcome, _| match outcome {
            ReadOutcome::Children { names, stat, more } => Ok(ChildrenList { names, stat, more }),
            other => Err(otherwise(other)),
        })
    }

    /// A node's access control list and stat, as [`Client::get_acl`].
    pub fn get_acl(&mut self, path: impl IntoPath) -> Question<(Acl, Stat)> {
        let read = self.of(path).map(|path| Read::Acl { path });
        self.add(read, |outcome, _| match outcome {
            ReadOutcome::GotAcl { acl, stat } => Ok((acl, stat)),
            other => Err(otherwise(other)),
        })
    }

    /// How many nodes are below a node, as [`Client::count`].
    pub fn count(&mut self, path: impl IntoPath) -> Question<u64> {
        let read = self.of(path).map(|path| Read::Count { path });
        self.add(read, |outcome, _| match outcome {
            ReadOutcome::Counted(count) => Ok(count),
            other => Err(otherwise(other)),
        })
    }

    /// One page of ephemeral nodes, as [`Client::ephemerals_page`].
    pub fn ephemerals_page(
        &mut self,
        session: Option<SessionId>,
        under: impl IntoPath,
        page: PathsPage,
    ) -> Question<PathsList> {
        let after = page.after.map(|after| self.of(after));
        let under = self.of(under);
        let read = after.transpose().and_then(|after| {
            let limit = page.limit;
            Ok(Read::Ephemerals {
                session,
                under: under?,
                page: PathsPage { after, limit },
            })
        });
        self.add(read, |outcome, root| match outcome {
            ReadOutcome::Paths { paths, more } => {
                let paths = paths.into_iter().map(|path| root.relative(path));
                let paths = paths.collect::<Result<_, _>>()?;
                Ok(PathsList { paths, more })
            }
            other => Err(otherwise(other)),
        })
    }

    /// Who the session has proved to be.
    pub fn who_am_i(&mut self) -> Question<Vec<Principal>> {
        self.add(Ok(Read::WhoAmI), |outcome, _| match outcome {
            ReadOutcome::Identities(principals) => Ok(principals),
            other => Err(otherwise(other)),
        })
    }

    /// Asks all of it at once; 10,000 reads at most, and no more than a message of 8 MiB may hold in their
    /// answers.
    ///
    /// Errors: [`Error::Path`] for the first path that is none; `TOO_LARGE`. What is wrong with one read
    /// alone, such as `NO_NODE` or `NO_AUTH`, is its own result. Dropping the future leaves nothing.
    pub async fn ask(self) -> Result<Answers, Error> {
        if let Some(error) = self.error {
            return Err(error.into());
        }
        let asked = self.reads.len();
        let op = Op::MultiRead {
            reads: self.reads,
            linearizable: self.client.is_linearizable(),
        };
        match self.client.request(op).await?.outcome {
            Outcome::MultiRead(answers) if answers.len() == asked => Ok(Answers {
                answers: answers.into_iter().map(Some).collect(),
                batch: self.batch,
                root: self.client.seen_from().clone(),
            }),
            other => Err(unexpected("several reads", &other)),
        }
    }

    fn of(&self, path: impl IntoPath) -> Result<ZnodePath, PathError> {
        self.client.absolute(path)
    }

    fn add<T>(
        &mut self,
        read: Result<Read, PathError>,
        parse: fn(ReadOutcome, &Chroot) -> Result<T, Error>,
    ) -> Question<T> {
        let index = self.reads.len();
        match read {
            Ok(read) => self.reads.push(read),
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
        Question {
            index,
            batch: Arc::clone(&self.batch),
            parse,
        }
    }
}

impl Answers {
    /// One read's result: that of the [`Client`]'s method of the same name.
    ///
    /// Errors: those of that method; [`Error::Configuration`] for a question of another [`MultiRead`].
    pub fn take<T>(&mut self, question: Question<T>) -> Result<T, Error> {
        let own = Arc::ptr_eq(&question.batch, &self.batch);
        let answer = self.answers.get_mut(question.index).filter(|_| own);
        let Some(answer) = answer.and_then(Option::take) else {
            let advice = "the question was asked in another multi-read; take its answer from there";
            return Err(Error::Configuration(advice.to_owned()));
        };
        (question.parse)(
            answer.map_err(|fault: Fault| Error::from(fault))?,
            &self.root,
        )
    }
}

fn otherwise(outcome: ReadOutcome) -> Error {
    unexpected("one read of several", &outcome.into())
}
