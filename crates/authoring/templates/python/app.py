"""A number that many clients raise, and can wait for.

Layout below the mount:

    value                          the number, as text; no node while it is 0
    goals/00000000000000000009     somebody waits until the number is 9

A function of the contract that returns a result gives its value, or raises Err(Fault(code, message)). So does this
plugin: what it raises is the caller's fault, and nothing of the call remains.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.guest import Description, OpInfo, Outcome_Done, Outcome_Park, Wait
from wit_world.imports import calls, env, tree, view
from wit_world.imports.types import CreateMode, Fault

BAD_ARGUMENTS = -8
NO_NODE = -101
# This plugin's own.
TOO_MUCH = 1
TOO_FAR = 2

# The kind of event that says that a parked call has ended without an answer.
CANCELLED = 8

# The most that the number may be, if the mount's config does not say.
LIMIT = 1_000_000

# Names or calls read at once.
PAGE = 100


class Guest(exports.Guest):
    def describe(self):
        output = '{"value": integer}'
        return Description(
            state_version=1,
            doc='A number that many clients raise, and can wait for. The mount\'s config may have a "limit".\n'
            "Fault 1: The number would grow beyond the mount's limit.\n"
            "Fault 2: The number never gets there.",
            ops=[
                OpInfo(
                    name="add",
                    read_only=False,
                    may_park=False,
                    doc="Adds to the number, and answers everybody who has waited for what it is now.",
                    input='{"by": integer}',
                    output=output,
                ),
                OpInfo(
                    name="wait",
                    read_only=False,
                    may_park=True,
                    doc='Answers once the number is at least "for"; fault -7 after "timeout_ms".',
                    input='{"for": integer, "timeout_ms"?: integer}',
                    output=output,
                ),
                OpInfo(
                    name="get",
                    read_only=True,
                    may_park=False,
                    doc="What the number is.",
                    input="{}",
                    output=output,
                ),
            ],
            watches=[],
        )

    def query(self, who, op, input):
        if op == "get":
            read_input(input, {})
            return dump({"value": read_value()})
        raise unknown(op)

    def command(self, who, op, input):
        if op == "add":
            return Outcome_Done(dump(add(**read_input(input, {"by": True}))))
        if op == "wait":
            asked = read_input(input, {"for": True, "timeout_ms": False})
            return wait(asked["for"], asked.get("timeout_ms"))
        raise unknown(op)

    def on_event(self, events):
        """A call that waited has ended, by its session's end or its timeout: nobody may be left who waits for the
        same number."""
        for event in events:
            if event.kind == CANCELLED and not calls.lookup(event.tag, 0, 1):
                forget(event.tag)

    def migrate(self, stored):
        """There is no older layout yet."""


# Operations.


def add(by):
    limit, value = read_limit(), read_value()
    if value + by > limit:
        raise fault(TOO_MUCH, f"the number is {value}; {by} more would lead beyond {limit}")
    put("value", str(value + by))
    release(value + by)
    return {"value": value + by}


def wait(goal, timeout_ms):
    value, limit = read_value(), read_limit()
    if value >= goal:
        return Outcome_Done(dump({"value": value}))
    if goal > limit:
        raise fault(TOO_FAR, f"the number never gets to {goal}: its limit is {limit}")
    # Names are compared as bytes: with zeros in front they are in the numbers' order.
    tag = f"{goal:020}"
    put("goals", "")
    put(f"goals/{tag}", str(goal))
    return Outcome_Park(Wait(tag, timeout_ms))


# Those who wait.


def release(value):
    """Answers who has waited for this number or a smaller one."""
    if view.exists("goals") is None:
        return
    while (tag := view.first_child("goals", "")) is not None and int(tag) <= value:
        after, is_last = 0, False
        while not is_last:
            page = calls.lookup(tag, after, PAGE)
            for call in page:
                calls.complete(call.id, dump({"value": value}))
                after = call.id
            is_last = len(page) < PAGE
        forget(tag)


def forget(tag):
    """Nobody waits for this number any more."""
    if view.exists(f"goals/{tag}") is not None:
        tree.delete(f"goals/{tag}", None)


# Nodes.


def read_value():
    try:
        data, _stat = view.get("value")
    except Err as error:
        if error.value.code == NO_NODE:
            return 0
        raise
    return int(data)


def put(path, text):
    """Sets what a node holds; it comes to be if it is not there."""
    if view.exists(path) is None:
        tree.create(path, text.encode(), CreateMode.PERSISTENT)
    else:
        tree.set(path, text.encode(), None)


def read_limit():
    said = env.config("limit")
    if said is None:
        return LIMIT
    if not (said.isascii() and said.isdecimal()):
        raise fault(BAD_ARGUMENTS, "the mount's config has a limit that is no number")
    return int(said)


# Faults and JSON.


def fault(code, message):
    return Err(Fault(code, message))


def unknown(op):
    return fault(BAD_ARGUMENTS, f"no operation {json.dumps(op)}; `zareba describe` lists them")


def read_input(input, fields):
    """Reads an object of whole numbers; `fields` says which there may be, and which must."""

    def bad(why):
        return fault(BAD_ARGUMENTS, f"not the JSON expected here: {why}")

    try:
        value = json.loads(input) if input else {}
    except ValueError as error:
        raise bad(error) from None
    if not isinstance(value, dict):
        raise bad("no object")
    for name, number in value.items():
        if name not in fields:
            raise bad(f'unknown field "{name}"')
        if type(number) is not int or not 0 <= number < 2**64:
            raise bad(f'"{name}" is no whole number')
    for name, is_needed in fields.items():
        if is_needed and name not in value:
            raise bad(f'"{name}" is missing')
    return value


def dump(value):
    return json.dumps(value, separators=(",", ":")).encode()
