;; `wasi_snapshot_preview1`, answered inside the component: a clock that counts its readings, a generator
;; with a fixed seed, writes that are swallowed, nothing else. A module for WASI becomes a component that
;; imports none, and what it computes is the same everywhere. Passed to the encoder as an adapter, which may
;; hold neither data nor tables.
(module
  (import "env" "memory" (memory 0))
  (global $clock (mut i64) (i64.const 0))
  (global $state (mut i64) (i64.const 0x2545F4914F6CDD1D))

  ;; Arguments and environment: none.
  (func $none (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (func (export "args_sizes_get") (param i32 i32) (result i32)
    (call $none (local.get 0) (local.get 1)))
  (func (export "environ_sizes_get") (param i32 i32) (result i32)
    (call $none (local.get 0) (local.get 1)))
  (func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))

  ;; Each reading is a microsecond later. A runtime that waits for time to pass goes on.
  (func (export "clock_time_get") (param $id i32) (param $precision i64) (param $to i32) (result i32)
    (global.set $clock (i64.add (global.get $clock) (i64.const 1000)))
    (i64.store (local.get $to) (global.get $clock))
    (i32.const 0))
  (func (export "clock_res_get") (param $id i32) (param $to i32) (result i32)
    (i64.store (local.get $to) (i64.const 1000))
    (i32.const 0))

  ;; Marsaglia's xorshift, a byte a step: for hash seeds, never for secrets.
  (func (export "random_get") (param $to i32) (param $left i32) (result i32)
    (loop $more
      (if (local.get $left) (then
        (global.set $state (i64.xor (global.get $state) (i64.shl (global.get $state) (i64.const 13))))
        (global.set $state (i64.xor (global.get $state) (i64.shr_u (global.get $state) (i64.const 7))))
        (global.set $state (i64.xor (global.get $state) (i64.shl (global.get $state) (i64.const 17))))
        (i32.store8 (local.get $to) (i32.wrap_i64 (global.get $state)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $more))))
    (i32.const 0))

  ;; A write succeeds in full and goes nowhere; `env.log` is the way to be heard.
  (func (export "fd_write") (param $file i32) (param $vectors i32) (param $count i32) (param $to i32) (result i32)
    (local $written i32)
    (loop $more
      (if (local.get $count) (then
        (local.set $written (i32.add (local.get $written) (i32.load offset=4 (local.get $vectors))))
        (local.set $vectors (i32.add (local.get $vectors) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $more))))
    (i32.store (local.get $to) (local.get $written))
    (i32.const 0))

  ;; No event ever comes; a runtime that polls is told so at once.
  (func (export "poll_oneoff") (param i32 i32 i32) (param $to i32) (result i32)
    (i32.store (local.get $to) (i32.const 0))
    (i32.const 0))
  (func (export "sched_yield") (result i32) (i32.const 0))
  (func (export "proc_exit") (param i32) (unreachable))

  ;; There are no files: 8 is EBADF.
  (func (export "fd_close") (param i32) (result i32) (i32.const 8))
  (func (export "fd_read") (param i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
)
