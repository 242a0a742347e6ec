/* A number that many clients raise, and can wait for.
 *
 * Layout below the mount:
 *
 *   value                          the number, as text; no node while it is 0
 *   goals/00000000000000000009     somebody waits until the number is 9
 *
 * Functions return false and fill in a fault when they refuse. What the host gives is freed once it has been
 * read, so that the plugin can be mounted warm, too. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

typedef zareba_plugin_types_fault_t fault_t;

enum {
  BAD_ARGUMENTS = -8,
  NO_NODE = -101,
  /* This plugin's own. */
  TOO_MUCH = 1,
  TOO_FAR = 2,
};

/* The kind of event that says that a parked call has ended without an answer. */
enum { CANCELLED = 8 };

/* The most that the number may be, if the mount's config does not say. */
static const uint64_t LIMIT = 1000000;

/* Names or calls read at once. */
enum { PAGE = 100 };

/* Texts. */

/* A text that lies elsewhere, to be given to the host. */
static plugin_string_t text(const char *characters) {
  plugin_string_t string;
  plugin_string_set(&string, characters);
  return string;
}

static bool equals(const plugin_string_t *string, const char *other) {
  return string->len == strlen(other) && memcmp(string->ptr, other, string->len) == 0;
}

/* A text of its own, as bytes. */
static plugin_list_u8_t print(const char *format, ...) {
  char buffer[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(buffer, sizeof buffer, format, arguments);
  va_end(arguments);
  plugin_string_t copy;
  plugin_string_dup(&copy, buffer);
  return (plugin_list_u8_t){copy.ptr, copy.len};
}

static bool refuse(fault_t *why, int32_t code, plugin_list_u8_t message) {
  why->code = code;
  why->message = (plugin_string_t){message.ptr, message.len};
  return false;
}

/* Reads a whole number; returns what is behind it, or nothing if there is none. */
static const uint8_t *number(const uint8_t *at, const uint8_t *end, uint64_t *value) {
  const uint8_t *start = at;
  for (*value = 0; at < end && *at >= '0' && *at <= '9'; at++) {
    uint64_t digit = *at - '0';
    if (*value > (UINT64_MAX - digit) / 10) return NULL;
    *value = *value * 10 + digit;
  }
  return at == start ? NULL : at;
}

/* Input: objects of whole numbers, {"by": 3}. */

typedef struct {
  const char *name;
  bool is_there;
  uint64_t value;
} field_t;

static const uint8_t *blanks(const uint8_t *at, const uint8_t *end) {
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
  return at;
}

/* Goes past one character and the blanks around it; nothing if it is another one. */
static const uint8_t *past(const uint8_t *at, const uint8_t *end, char character) {
  at = blanks(at, end);
  return at < end && *at == character ? blanks(at + 1, end) : NULL;
}

/* Reads `"name": 3` into the field of that name. */
static const uint8_t *member(const uint8_t *at, const uint8_t *end, field_t *fields, size_t count) {
  if (!(at = past(at, end, '"'))) return NULL;
  const uint8_t *name = at;
  while (at < end && *at != '"') at++;
  plugin_string_t found = {(uint8_t *)name, at - name};
  if (!(at = past(at, end, '"')) || !(at = past(at, end, ':'))) return NULL;
  for (size_t i = 0; i < count; i++) {
    if (!fields[i].is_there && equals(&found, fields[i].name)) {
      fields[i].is_there = true;
      return number(at, end, &fields[i].value);
    }
  }
  return NULL;
}

static bool read_input(const plugin_list_u8_t *input, field_t *fields, size_t count, fault_t *why) {
  const uint8_t *end = input->ptr + input->len;
  const uint8_t *at = past(input->ptr, end, '{');
  bool is_first = true;
  while (at && at < end && *at != '}') {
    if (!is_first) at = past(at, end, ',');
    if (at) at = member(at, end, fields, count);
    if (at) at = blanks(at, end);
    is_first = false;
  }
  if (at) at = past(at, end, '}');
  if (input->len == 0 || at == end) return true;
  return refuse(why, BAD_ARGUMENTS, print("not the JSON expected here: an object of whole numbers"));
}

static bool demand(const field_t *field, fault_t *why) {
  if (field->is_there) return true;
  return refuse(why, BAD_ARGUMENTS, print("\"%s\" is missing", field->name));
}

/* Nodes. */

static bool read_value(uint64_t *value, fault_t *why) {
  plugin_string_t path = text("value");
  zareba_plugin_view_tuple2_list_u8_stat_t node;
  *value = 0;
  if (!zareba_plugin_view_get(&path, &node, why)) {
    if (why->code != NO_NODE) return false;
    zareba_plugin_types_fault_free(why);
    return true;
  }
  bool is_number = number(node.f0.ptr, node.f0.ptr + node.f0.len, value) != NULL;
  plugin_list_u8_free(&node.f0);
  return is_number || refuse(why, BAD_ARGUMENTS, print("the node \"value\" holds no number"));
}

/* Sets what a node holds; it comes to be if it is not there. */
static bool put(plugin_string_t *path, plugin_list_u8_t *data, fault_t *why) {
  zareba_plugin_view_option_stat_t stat;
  if (!zareba_plugin_view_exists(path, &stat, why)) return false;
  if (stat.is_some) {
    uint64_t version;
    return zareba_plugin_tree_set(path, data, NULL, &version, why);
  }
  plugin_string_t created;
  uint8_t mode = ZAREBA_PLUGIN_TYPES_CREATE_MODE_PERSISTENT;
  if (!zareba_plugin_tree_create(path, data, mode, &created, why)) return false;
  free(created.ptr);
  return true;
}

static bool put_number(const char *path, uint64_t value, fault_t *why) {
  plugin_string_t at = text(path);
  plugin_list_u8_t data = print("%" PRIu64, value);
  bool done = put(&at, &data, why);
  plugin_list_u8_free(&data);
  return done;
}

static bool read_limit(uint64_t *limit, fault_t *why) {
  plugin_string_t key = text("limit");
  plugin_string_t said;
  *limit = LIMIT;
  if (!zareba_plugin_env_config(&key, &said)) return true;
  bool is_number = number(said.ptr, said.ptr + said.len, limit) == said.ptr + said.len;
  free(said.ptr);
  return is_number || refuse(why, BAD_ARGUMENTS, print("the mount's config has a limit that is no number"));
}

/* Those who wait. */

/* Answers every call that is parked under a tag. */
static bool answer_all(plugin_string_t *tag, uint64_t value, fault_t *why) {
  uint64_t last = 0;
  size_t found = PAGE;
  bool done = true;
  while (done && found == PAGE) {
    zareba_plugin_calls_list_parked_t page;
    if (!zareba_plugin_calls_lookup(tag, last, PAGE, &page, why)) return false;
    found = page.len;
    for (size_t i = 0; done && i < page.len; i++) {
      plugin_list_u8_t answer = print("{\"value\":%" PRIu64 "}", value);
      last = page.ptr[i].id;
      done = zareba_plugin_calls_complete(last, &answer, why);
      plugin_list_u8_free(&answer);
    }
    zareba_plugin_calls_list_parked_free(&page);
  }
  return done;
}

/* Nobody waits for this number any more. */
static bool forget(const plugin_string_t *tag, fault_t *why) {
  plugin_list_u8_t path = print("goals/%.*s", (int)tag->len, (const char *)tag->ptr);
  plugin_string_t at = {path.ptr, path.len};
  bool done = zareba_plugin_tree_delete(&at, NULL, why);
  plugin_list_u8_free(&path);
  if (done || why->code != NO_NODE) return done;
  zareba_plugin_types_fault_free(why);
  return true;
}

/* Answers who has waited for this number or a smaller one. */
static bool release(uint64_t value, fault_t *why) {
  plugin_string_t goals = text("goals");
  zareba_plugin_view_option_stat_t stat;
  if (!zareba_plugin_view_exists(&goals, &stat, why)) return false;
  if (!stat.is_some) return true;
  for (;;) {
    plugin_string_t prefix = text("");
    plugin_option_string_t first;
    if (!zareba_plugin_view_first_child(&goals, &prefix, &first, why)) return false;
    if (!first.is_some) return true;
    uint64_t goal = UINT64_MAX;
    number(first.val.ptr, first.val.ptr + first.val.len, &goal);
    bool is_due = goal <= value;
    bool done = !is_due || (answer_all(&first.val, value, why) && forget(&first.val, why));
    plugin_option_string_free(&first);
    if (!done || !is_due) return done;
  }
}

/* Operations. */

static bool add(const plugin_list_u8_t *input, plugin_list_u8_t *answer, fault_t *why) {
  field_t by = {.name = "by"};
  uint64_t value, limit;
  if (!read_input(input, &by, 1, why) || !demand(&by, why)) return false;
  if (!read_value(&value, why) || !read_limit(&limit, why)) return false;
  if (value > limit || by.value > limit - value) {
    return refuse(why, TOO_MUCH,
                  print("the number is %" PRIu64 "; %" PRIu64 " more would lead beyond %" PRIu64, value,
                        by.value, limit));
  }
  value += by.value;
  if (!put_number("value", value, why) || !release(value, why)) return false;
  *answer = print("{\"value\":%" PRIu64 "}", value);
  return true;
}

static bool wait_for(const plugin_list_u8_t *input, exports_zareba_plugin_guest_outcome_t *outcome,
                     fault_t *why) {
  field_t fields[2] = {{.name = "for"}, {.name = "timeout_ms"}};
  uint64_t value, limit, goal;
  if (!read_input(input, fields, 2, why) || !demand(&fields[0], why)) return false;
  if (!read_value(&value, why) || !read_limit(&limit, why)) return false;
  goal = fields[0].value;
  if (value >= goal) {
    outcome->tag = EXPORTS_ZAREBA_PLUGIN_GUEST_OUTCOME_DONE;
    outcome->val.done = print("{\"value\":%" PRIu64 "}", value);
    return true;
  }
  if (goal > limit) {
    return refuse(why, TOO_FAR,
                  print("the number never gets to %" PRIu64 ": its limit is %" PRIu64, goal, limit));
  }
  /* Names are compared as bytes: with zeros in front they are in the numbers' order. */
  char path[32];
  snprintf(path, sizeof path, "goals/%020" PRIu64, goal);
  plugin_string_t goals = text("goals");
  plugin_list_u8_t nothing = {NULL, 0};
  if (!put(&goals, &nothing, why) || !put_number(path, goal, why)) return false;
  outcome->tag = EXPORTS_ZAREBA_PLUGIN_GUEST_OUTCOME_PARK;
  plugin_string_dup(&outcome->val.park.tag, path + strlen("goals/"));
  outcome->val.park.timeout.is_some = fields[1].is_there;
  outcome->val.park.timeout.val = fields[1].value;
  return true;
}

static bool get(const plugin_list_u8_t *input, plugin_list_u8_t *answer, fault_t *why) {
  uint64_t value;
  if (!read_input(input, NULL, 0, why) || !read_value(&value, why)) return false;
  *answer = print("{\"value\":%" PRIu64 "}", value);
  return true;
}

static bool unknown(const plugin_string_t *op, fault_t *why) {
  return refuse(why, BAD_ARGUMENTS,
                print("no operation \"%.*s\"; `zareba describe` lists them", (int)op->len,
                      (const char *)op->ptr));
}

/* What the contract demands. */

static void describe_op(exports_zareba_plugin_guest_op_info_t *op, const char *name, const char *input,
                        const char *doc) {
  plugin_string_dup(&op->name, name);
  plugin_string_dup(&op->input, input);
  plugin_string_dup(&op->output, "{\"value\": integer}");
  plugin_string_dup(&op->doc, doc);
}

void exports_zareba_plugin_guest_describe(exports_zareba_plugin_guest_description_t *about) {
  memset(about, 0, sizeof *about);
  about->state_version = 1;
  plugin_string_dup(&about->doc,
                    "A number that many clients raise, and can wait for. The mount's config may have a \"limit\".\n"
                    "Fault 1: The number would grow beyond the mount's limit.\n"
                    "Fault 2: The number never gets there.");
  about->ops.len = 3;
  about->ops.ptr = calloc(3, sizeof *about->ops.ptr);
  exports_zareba_plugin_guest_op_info_t *ops = about->ops.ptr;
  describe_op(&ops[0], "add", "{\"by\": integer}",
              "Adds to the number, and answers everybody who has waited for what it is now.");
  describe_op(&ops[1], "wait", "{\"for\": integer, \"timeout_ms\"?: integer}",
              "Answers once the number is at least \"for\"; fault -7 after \"timeout_ms\".");
  ops[1].may_park = true;
  describe_op(&ops[2], "get", "{}", "What the number is.");
  ops[2].read_only = true;
}

bool exports_zareba_plugin_guest_query(exports_zareba_plugin_guest_caller_t *who, plugin_string_t *op,
                                       plugin_list_u8_t *input, plugin_list_u8_t *answer, fault_t *why) {
  bool done = equals(op, "get") ? get(input, answer, why) : unknown(op, why);
  plugin_list_string_free(&who->principals);
  free(op->ptr);
  plugin_list_u8_free(input);
  return done;
}

bool exports_zareba_plugin_guest_command(exports_zareba_plugin_guest_caller_t *who, plugin_string_t *op,
                                         plugin_list_u8_t *input,
                                         exports_zareba_plugin_guest_outcome_t *outcome, fault_t *why) {
  bool done;
  if (equals(op, "add")) {
    outcome->tag = EXPORTS_ZAREBA_PLUGIN_GUEST_OUTCOME_DONE;
    done = add(input, &outcome->val.done, why);
  } else if (equals(op, "wait")) {
    done = wait_for(input, outcome, why);
  } else {
    done = unknown(op, why);
  }
  plugin_list_string_free(&who->principals);
  free(op->ptr);
  plugin_list_u8_free(input);
  return done;
}

/* A call that waited has ended, by its session's end or its timeout: nobody may be left who waits for the same
 * number. */
bool exports_zareba_plugin_guest_on_event(exports_zareba_plugin_guest_list_event_t *events, fault_t *why) {
  bool done = true;
  for (size_t i = 0; done && i < events->len; i++) {
    if (events->ptr[i].kind != CANCELLED) continue;
    zareba_plugin_calls_list_parked_t left;
    done = zareba_plugin_calls_lookup(&events->ptr[i].tag, 0, 1, &left, why);
    if (!done) break;
    if (left.len == 0) done = forget(&events->ptr[i].tag, why);
    zareba_plugin_calls_list_parked_free(&left);
  }
  exports_zareba_plugin_guest_list_event_free(events);
  return done;
}

/* There is no older layout yet. */
bool exports_zareba_plugin_guest_migrate(uint32_t stored, fault_t *why) {
  (void)stored;
  (void)why;
  return true;
}
