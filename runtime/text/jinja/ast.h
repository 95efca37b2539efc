#pragma once
// The syntax tree of a template.
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/jinja/value.h"

namespace weft::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Expr {
  enum Kind {
    literal,      // value
    variable,     // name
    tuple,        // args
    list,         // args
    dict,         // args: key, value, key, value ...
    attribute,    // args[0] . name
    item,         // args[0] [ args[1] ]
    slice,        // args[0] : args[1] : args[2], any of them null; only as what an item is asked for by
    call,         // args[0] ( args[1...], named, *star, **double_star )
    filter,       // args[0] | name ( the same ); args[0] null: what a block is filtered by
    test,         // args[0] is name ( the same )
    negation,     // not args[0]
    sign,         // name args[0]: - +
    logical,      // args[0] name args[1]: and or
    arithmetic,   // args[0] name args[1]: + - * / // % **
    concat,       // args[0] ~ args[1] ~ ...
    comparison,   // args[0] operators[0] args[1] operators[1] ...
    conditional,  // args[0] if args[1] else args[2], which may be null
  };
  Kind kind;
  int line;
  std::string name = {};
  Value value = {};
  std::vector<ExprPtr> args = {};
  std::vector<std::pair<std::string, ExprPtr>> named = {};
  ExprPtr star = {}, double_star = {};
  std::vector<std::string> operators = {};
  int depth = 1;  // of the tree below
};

struct Stmt;
using Block = std::vector<Stmt>;

// What a macro, or the body of a call block, takes.
struct Signature {
  std::vector<std::string> names = {};
  std::vector<ExprPtr> defaults = {};  // one a name, null where it has none
  // Only a macro that names these takes what they stand for.
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

struct Stmt {
  enum Kind {
    text,          // name
    output,        // {{ expr }}
    if_chain,      // {% if expr %} body {% else %} otherwise
    for_loop,      // {% for target in expr if condition recursive %} body {% else %} otherwise
    set,           // {% set target = expr %}
    set_block,     // {% set target | expr %} body; expr: the filters, may be null
    with,          // {% with target = expr, ... %} body; bindings
    macro,         // {% macro name(signature) %} body
    call_block,    // {% call(signature) expr %} body
    filter_block,  // {% filter expr %} body
    autoescape,    // {% autoescape expr %} body
    block,         // {% block name %} body
    load,          // include, import, from, extends: name. No template can be loaded, so they fail
    break_loop,
    continue_loop,
  };
  Kind kind;
  int line;
  std::string name = {};
  ExprPtr target = {}, expr = {}, condition = {};
  std::vector<std::pair<ExprPtr, ExprPtr>> bindings = {};
  Signature signature = {};
  bool recursive = false;
  bool scoped = false;  // a block that sees the names of the loops around it
  Block body = {}, otherwise = {};
};

Block parse(std::string_view source);

}  // namespace weft::jinja
