// A number that many clients raise, and can wait for.
//
// Layout below the mount:
//
//   value                          the number, as text; no node while it is 0
//   goals/00000000000000000009     somebody waits until the number is 9
//
// A function of the host that returns a result gives its value, or throws an error whose payload is the fault. An
// export throws the fault itself, { code, message }: the caller gets it, and nothing of the call remains.

import * as calls from "zareba:plugin/calls@1.0.0";
import * as env from "zareba:plugin/env@1.0.0";
import * as tree from "zareba:plugin/tree@1.0.0";
import * as view from "zareba:plugin/view@1.0.0";

const BAD_ARGUMENTS = -8;
const NO_NODE = -101;
// This plugin's own.
const TOO_MUCH = 1;
const TOO_FAR = 2;

// The kind of event that says that a parked call has ended without an answer.
const CANCELLED = 8;

// The most that the number may be, if the mount's config does not say.
const LIMIT = 1_000_000;

// Names or calls read at once.
const PAGE = 100;

export const guest = {
  describe() {
    const output = '{"value": integer}';
    return {
      stateVersion: 1,
      doc:
        'A number that many clients raise, and can wait for. The mount\'s config may have a "limit".\n' +
        "Fault 1: The number would grow beyond the mount's limit.\n" +
        "Fault 2: The number never gets there.",
      ops: [
        {
          name: "add",
          readOnly: false,
          mayPark: false,
          doc: "Adds to the number, and answers everybody who has waited for what it is now.",
          input: '{"by": integer}',
          output,
        },
        {
          name: "wait",
          readOnly: false,
          mayPark: true,
          doc: 'Answers once the number is at least "for"; fault -7 after "timeout_ms".',
          input: '{"for": integer, "timeout_ms"?: integer}',
          output,
        },
        {
          name: "get",
          readOnly: true,
          mayPark: false,
          doc: "What the number is.",
          input: "{}",
          output,
        },
      ],
      watches: [],
    };
  },

  query: exported((who, op, input) => {
    if (op !== "get") throw unknown(op);
    readInput(input, {});
    return json({ value: readValue() });
  }),

  command: exported((who, op, input) => {
    if (op === "add") return { tag: "done", val: json(add(readInput(input, { by: true }))) };
    if (op === "wait") return wait(readInput(input, { for: true, timeout_ms: false }));
    throw unknown(op);
  }),

  // A call that waited has ended, by its session's end or its timeout: nobody may be left who waits for the
  // same number.
  onEvent: exported((events) => {
    for (const { kind, tag } of events) {
      if (kind === CANCELLED && calls.lookup(tag, 0, 1).length === 0) forget(tag);
    }
  }),

  // There is no older layout yet.
  migrate: exported((stored) => {}),
};

// Lets a fault of the host through as one of the plugin's own. What is no fault is a mistake: the call traps, and
// the plugin's log says where.
function exported(operation) {
  return (...input) => {
    try {
      return operation(...input);
    } catch (error) {
      const why = error?.payload ?? error;
      if (typeof why?.code !== "number") env.log(1, `${error}\n${error?.stack}`);
      throw why;
    }
  };
}

// Operations.

function add({ by }) {
  const limit = readLimit();
  const value = readValue();
  if (value + by > limit) {
    throw fault(TOO_MUCH, `the number is ${value}; ${by} more would lead beyond ${limit}`);
  }
  put("value", bytes(String(value + by)));
  release(value + by);
  return { value: value + by };
}

function wait({ for: goal, timeout_ms }) {
  const value = readValue();
  const limit = readLimit();
  if (value >= goal) return { tag: "done", val: json({ value }) };
  if (goal > limit) throw fault(TOO_FAR, `the number never gets to ${goal}: its limit is ${limit}`);
  // Names are compared as bytes: with zeros in front they are in the numbers' order.
  const tag = String(goal).padStart(20, "0");
  put("goals", bytes(""));
  put(`goals/${tag}`, bytes(String(goal)));
  return { tag: "park", val: { tag, timeout: timeout_ms ?? null } };
}

// Those who wait.

// Answers who has waited for this number or a smaller one.
function release(value) {
  if (view.exists("goals") === null) return;
  for (;;) {
    const tag = view.firstChild("goals", "");
    if (tag === null || Number(tag) > value) return;
    let after = 0;
    let page;
    do {
      page = calls.lookup(tag, after, PAGE);
      for (const { id } of page) {
        calls.complete(id, json({ value }));
        after = id;
      }
    } while (page.length === PAGE);
    forget(tag);
  }
}

// Nobody waits for this number any more.
function forget(tag) {
  if (view.exists(`goals/${tag}`) !== null) tree.delete(`goals/${tag}`, null);
}

// Nodes.

function readValue() {
  try {
    const [data] = view.get("value");
    return Number(text(data));
  } catch (error) {
    if (error.payload?.code === NO_NODE) return 0;
    throw error;
  }
}

// Sets what a node holds; it comes to be if it is not there.
function put(path, data) {
  if (view.exists(path) === null) tree.create(path, data, "persistent");
  else tree.set(path, data, null);
}

function readLimit() {
  const said = env.config("limit");
  if (said === null) return LIMIT;
  if (!/^[0-9]+$/.test(said)) {
    throw fault(BAD_ARGUMENTS, "the mount's config has a limit that is no number");
  }
  return Number(said);
}

// Faults, texts and JSON.

function fault(code, message) {
  return { code, message };
}

function unknown(op) {
  return fault(BAD_ARGUMENTS, `no operation ${JSON.stringify(op)}; \`zareba describe\` lists them`);
}

// Reads an object of whole numbers; `fields` says which there may be, and which must.
function readInput(input, fields) {
  const bad = (why) => fault(BAD_ARGUMENTS, `not the JSON expected here: ${why}`);
  let value;
  try {
    value = input.length === 0 ? {} : JSON.parse(text(input));
  } catch (error) {
    throw bad(error.message);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw bad("no object");
  for (const [name, number] of Object.entries(value)) {
    if (!Object.hasOwn(fields, name)) throw bad(`unknown field "${name}"`);
    if (!Number.isSafeInteger(number) || number < 0) throw bad(`"${name}" is no whole number`);
  }
  for (const [name, isNeeded] of Object.entries(fields)) {
    if (isNeeded && !Object.hasOwn(value, name)) throw bad(`"${name}" is missing`);
  }
  return value;
}

function json(value) {
  return bytes(JSON.stringify(value));
}

// What this plugin writes is ASCII. There is no TextEncoder here.
function bytes(string) {
  return Uint8Array.from(string, (character) => character.charCodeAt(0));
}

function text(data) {
  return String.fromCharCode(...data);
}
