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
    list,         // args
    dict,         // args: key, value, key, value ...
    attribute,    // args[0] . name
    index,        // args[0] [ args[1] ]
    slice,        // args[0] [ args[1] : args[2] : args[3] ], any of the three null
    call,         // args[0] ( args[1...], kwargs )
    filter,       // args[0] | name ( args[1...], kwargs ); args[0] null: what a block is filtered by
    test,         // args[0] is name ( args[1...] )
    unary,        // name: not - +
    binary,       // name: and or + - * / // % ** ~ == != < <= > >= in
    conditional,  // args[0] if args[1] else args[2], which may be null
  };
  Kind kind;
  int line;
  std::string name = {};
  Value value = {};
  std::vector<ExprPtr> args = {};
  std::vector<std::pair<std::string, ExprPtr>> kwargs = {};
};

struct Stmt;
using Block = std::vector<Stmt>;

struct Stmt {
  enum Kind {
    text,       // name
    output,     // {{ expr }}
    if_chain,   // {% if expr %} body {% else %} otherwise
    for_loop,   // {% for targets in expr if condition %} body {% else %} otherwise
    set,        // {% set targets[0] = expr %}; targets may be two, then it is a namespace and its attribute
    set_block,  // {% set targets[0] %} body
    macro,      // {% macro name(targets with defaults) %} body
    break_loop,
    continue_loop,
  };
  Kind kind;
  int line;
  std::string name = {};
  ExprPtr expr = {}, condition = {};
  std::vector<std::string> targets = {};
  std::vector<ExprPtr> defaults = {};  // one a target, null where it has none
  Block body = {}, otherwise = {};
};

Block parse(std::string_view source);

}  // namespace weft::jinja
