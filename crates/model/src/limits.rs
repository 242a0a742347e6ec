//! Every maximum, its reason, and the relations between them.

/// Longest path, bytes. ZooKeeper has none but its frame; 4 KiB is what file systems allow.
pub const PATH_BYTES_MAX: usize = 4096;

/// Most data in one znode, bytes. Coordination data is small; larger values stall the pipeline.
pub const DATA_BYTES_MAX: usize = 1 << 20;

/// Most bytes in one client frame: a multi of several full nodes, or a page of names.
pub const FRAME_BYTES_MAX: usize = 8 << 20;

/// Most bytes in one message between servers: a batch of transactions.
pub const PEER_FRAME_BYTES_MAX: usize = 64 << 20;

/// Most bytes in one encoded transaction.
pub const TXN_BYTES_MAX: usize = 8 << 20;

/// Most changes in a multi.
pub const MULTI_OPS_MAX: usize = 10_000;

/// Most nodes that one request deletes with all below them; more take more requests.
pub const SUBTREE_DELETE_MAX: usize = 10_000;

/// Most reads from one point in time.
pub const MULTI_READS_MAX: usize = 10_000;

/// Most entries of an access control list: each is compared at every use of the node.
pub const ACL_ENTRIES_MAX: usize = 100;

/// Longest scheme, identity or credential, bytes.
pub const IDENTITY_BYTES_MAX: usize = 1_024;

/// Most identities of one session.
pub const IDENTITIES_MAX: usize = 32;

/// Most quotas: each costs a look at every write.
pub const QUOTAS_MAX: usize = 10_000;

/// Shortest life of a node with a TTL, milliseconds: it is looked at no more often.
pub const TTL_MS_MIN: u64 = 100;

/// Longest life of a node with a TTL, milliseconds: a hundred years.
pub const TTL_MS_MAX: u64 = 100 * 366 * 86_400_000;

/// Most names in one page of children.
pub const CHILDREN_PAGE_MAX: usize = 50_000;

/// Most bytes of names in one page of children; a page ends early when it is reached.
pub const CHILDREN_PAGE_BYTES_MAX: usize = 4 << 20;

/// Most requests of one session that are not answered yet; the server stops reading beyond it.
pub const SESSION_OUTSTANDING_MAX: usize = 1024;

/// Most transactions proposed and not yet committed; the leader stops preparing beyond it.
pub const PROPOSALS_OUTSTANDING_MAX: usize = 16_384;

/// Most watches of one session.
pub const SESSION_WATCHES_MAX: usize = 100_000;

/// Most watches on one server, of all sessions: about 200 bytes each.
pub const SERVER_WATCHES_MAX: usize = 20_000_000;

/// Events that a server remembers for watches that begin in the past or were away: each names a
/// path that the tree or a transaction shares.
pub const EVENTS_REMEMBERED_MAX: usize = 100_000;

/// Most missed events in one answer; more than so many are a resync.
pub const EVENTS_MISSED_MAX: usize = 10_000;

/// Shortest session timeout, milliseconds: several heartbeats must fit.
pub const SESSION_TIMEOUT_MS_MIN: u32 = 1_000;

/// Longest session timeout, milliseconds: a dead client's locks wait so long.
pub const SESSION_TIMEOUT_MS_MAX: u32 = 600_000;

/// Longest address of a member, bytes: the longest DNS name and a port.
pub const ADDRESS_BYTES_MAX: usize = 260;

/// Tokens that let servers join, at once.
pub const JOIN_TOKENS_MAX: usize = 1_000;

/// Longest life of a token that lets a server join, milliseconds: a day.
pub const JOIN_TOKEN_TTL_MS_MAX: u64 = 86_400_000;

/// Largest component, bytes.
pub const COMPONENT_BYTES_MAX: u64 = 32 << 20;

/// Largest piece of a component in one transaction, bytes.
pub const COMPONENT_CHUNK_BYTES_MAX: usize = 512 << 10;

/// Longest name of a plugin or a publisher, bytes.
pub const PLUGIN_NAME_BYTES_MAX: usize = 128;

/// Plugins at once.
pub const PLUGINS_MAX: usize = 1_000;

/// Revisions of a plugin that are kept: the oldest goes that is neither active nor was before.
pub const REVISIONS_KEPT_MAX: usize = 10;

/// Components that are no revision, or not yet: some go when another begins to come.
pub const COMPONENTS_LOOSE_MAX: usize = 256;

/// Bytes of such components.
pub const COMPONENTS_LOOSE_BYTES_MAX: u64 = 256 << 20;

/// Mounts at once.
pub const MOUNTS_MAX: usize = 20_000;

/// Most bytes of a mount's config, keys and values.
pub const CONFIG_BYTES_MAX: usize = 64 << 10;

/// Lines of plugins' logs that a server keeps: each has at most a kibibyte.
pub const PLUGIN_LOG_LINES_MAX: usize = 4_000;

/// Lines of plugins' logs in one answer.
pub const PLUGIN_LOG_PAGE_MAX: usize = 1_000;

/// Publishers at once.
pub const PUBLISHERS_MAX: usize = 100;

/// Waiting calls that one acknowledgement can leave out: it comes with every request.
pub const ACKED_EXCEPT_MAX: usize = 1_000;

/// Answers kept for one session because its client has not acknowledged them.
pub const SESSION_RESULTS_MAX: usize = 20_000;

/// Parked calls of one session.
pub const SESSION_PARKED_MAX: usize = 10_000;

const _: () = {
    assert!(DATA_BYTES_MAX + PATH_BYTES_MAX < FRAME_BYTES_MAX);
    assert!(CHILDREN_PAGE_BYTES_MAX < FRAME_BYTES_MAX);
    assert!(TXN_BYTES_MAX < PEER_FRAME_BYTES_MAX);
    assert!(COMPONENT_CHUNK_BYTES_MAX < DATA_BYTES_MAX);
    assert!(COMPONENT_BYTES_MAX < COMPONENTS_LOOSE_BYTES_MAX);
    assert!(SESSION_TIMEOUT_MS_MIN < SESSION_TIMEOUT_MS_MAX);
};
