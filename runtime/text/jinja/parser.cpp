#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "runtime/text/jinja/expression_parser.h"

namespace weft::jinja {
namespace {

class Parser : ExpressionParser {
 public:
  explicit Parser(std::string_view source) : ExpressionParser(source) {}

  Block run() {
    Block block = parse_block({});
    if (peek().kind != TokenKind::end) fail("unexpected '{% " + peek(1).text + " %}'");
    return block;
  }

 private:
  // Up to a block tag that begins with one of `ends`, or that ends another statement; it is left in place.
  Block parse_block(const std::vector<std::string_view>& ends) {
    const Level level(*this);
    Block block;
    while (peek().kind != TokenKind::end) {
      if (peek().kind == TokenKind::text) {
        const Token token = take();
        block.push_back({.kind = Stmt::text, .line = token.line, .name = token.text});
      } else if (peek().kind == TokenKind::output_begin) {
        const int line = take().line;
        block.push_back({.kind = Stmt::output, .line = line, .expr = parse_expressions()});
        expect(TokenKind::output_end);
      } else {
        const std::string_view name = peek(1).text;
        if (std::ranges::find(ends, name) != ends.end() || name.starts_with("end") || name == "else" || name == "elif") {
          return block;
        }
        parse_statement(block);
      }
    }
    return block;
  }

  void parse_statement(Block& block) {
    using Parse = Stmt (Parser::*)(Stmt);
    static const std::map<std::string_view, Parse> statements = {
        {"if", &Parser::parse_if},
        {"for", &Parser::parse_for},
        {"set", &Parser::parse_set},
        {"with", &Parser::parse_with},
        {"macro", &Parser::parse_macro},
        {"call", &Parser::parse_call},
        {"filter", &Parser::parse_filter},
        {"block", &Parser::parse_named},
        {"autoescape", &Parser::parse_autoescape},
        {"include", &Parser::parse_load},
        {"import", &Parser::parse_load},
        {"from", &Parser::parse_load},
        {"extends", &Parser::parse_load},
        {"break", &Parser::parse_loop_exit},
        {"continue", &Parser::parse_loop_exit},
        {"generation", &Parser::parse_generation},
    };
    Stmt stmt{.kind = Stmt::text, .line = take().line};
    stmt.name = name_token();
    if (stmt.name == "print") {
      do block.push_back({.kind = Stmt::output, .line = stmt.line, .expr = parse_expression()});
      while (take_symbol(","));
      return expect(TokenKind::block_end);
    }
    const auto found = statements.find(stmt.name);
    if (found == statements.end()) template_error(stmt.line, "the statement '" + stmt.name + "' is not known");
    block.push_back((this->*found->second)(std::move(stmt)));
  }

  void end_tag() {
    take_symbol(":");  // as Python would write it
    expect(TokenKind::block_end);
  }

  // What stands between the end of this tag and the tag `end`, which is taken.
  Block parse_body(std::string_view end) {
    end_tag();
    Block body = parse_block({end});
    expect_end(end);
    return body;
  }

  void expect_end(std::string_view end) {
    if (peek().kind != TokenKind::block_begin || peek(1).text != end) {
      fail(cat("expected '{% ", end, " %}', found ",
               peek().kind == TokenKind::block_begin ? "'{% " + peek(1).text + " %}'" : describe(peek())));
    }
    at_ += 2;
    if (end == "endblock" && peek().kind == TokenKind::name && peek().text == block_name_) take();
    expect(TokenKind::block_end);
  }

  Stmt parse_if(Stmt stmt) {
    const Level level(*this);
    stmt.kind = Stmt::if_chain;
    stmt.expr = parse_expressions(Conditional::forbidden);
    end_tag();
    stmt.body = parse_block({"elif", "else", "endif"});
    if (peek(1).text == "elif" && peek().kind == TokenKind::block_begin) {
      Stmt inner{.kind = Stmt::if_chain, .line = take().line};
      ++at_;
      stmt.otherwise.push_back(parse_if(std::move(inner)));
      return stmt;  // the inner one has taken the endif
    }
    parse_else(stmt, "endif");
    return stmt;
  }

  void parse_else(Stmt& stmt, std::string_view end) {
    if (peek().kind == TokenKind::block_begin && peek(1).text == "else") {
      at_ += 2;
      end_tag();
      stmt.otherwise = parse_block({end});
    }
    expect_end(end);
  }

  Stmt parse_for(Stmt stmt) {
    stmt.kind = Stmt::for_loop;
    stmt.target = parse_target("in", false);
    expect_name("in");
    stmt.expr = parse_expressions(Conditional::forbidden, "recursive");
    if (take_name("if")) stmt.condition = parse_expression();
    stmt.recursive = take_name("recursive");
    end_tag();
    ++loops_;
    stmt.body = parse_block({"else", "endfor"});
    --loops_;
    parse_else(stmt, "endfor");
    return stmt;
  }

  Stmt parse_set(Stmt stmt) {
    stmt.target = parse_target("", true);
    if (take_symbol("=")) {
      stmt.kind = Stmt::set;
      stmt.expr = parse_expressions();
      expect(TokenKind::block_end);
      return stmt;
    }
    stmt.kind = Stmt::set_block;
    stmt.expr = parse_filters(nullptr);
    stmt.body = parse_body("endset");
    return stmt;
  }

  Stmt parse_with(Stmt stmt) {
    stmt.kind = Stmt::with;
    while (peek().kind != TokenKind::block_end && !at_symbol(":")) {
      if (!stmt.bindings.empty()) expect_symbol(",");
      ExprPtr target = parse_target("", false);
      expect_symbol("=");
      stmt.bindings.emplace_back(std::move(target), parse_expression());
    }
    stmt.body = parse_body("endwith");
    return stmt;
  }

  // Python keeps these bodies in functions of their own: loops around them cannot be left from inside.
  Block parse_function_body(Signature* signature, std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    if (signature != nullptr) signatures_.push_back(signature);
    Block body = parse_body(end);
    if (signature != nullptr) signatures_.pop_back();
    loops_ = loops;
    return body;
  }

  void parse_signature(Signature& signature) {
    signatures_.push_back(&signature);
    expect_symbol("(");
    while (!take_symbol(")")) {
      if (!signature.names.empty()) expect_symbol(",");
      std::string name = name_token();
      if (std::ranges::find(signature.names, name) != signature.names.end()) fail("two parameters are named '" + name + "'");
      ExprPtr fallback = take_symbol("=") ? parse_expression() : nullptr;
      if (fallback == nullptr && !signature.defaults.empty() && signature.defaults.back() != nullptr) {
        fail("the parameter '" + name + "' needs a default, as those before it");
      }
      if (fallback == nullptr && name == "caller") fail("the parameter 'caller' needs a default");
      signature.names.push_back(std::move(name));
      signature.defaults.push_back(std::move(fallback));
    }
    signatures_.pop_back();
  }

  Stmt parse_macro(Stmt stmt) {
    stmt.kind = Stmt::macro;
    stmt.name = name_token();
    parse_signature(stmt.signature);
    stmt.body = parse_function_body(&stmt.signature, "endmacro");
    return stmt;
  }

  Stmt parse_call(Stmt stmt) {
    stmt.kind = Stmt::call_block;
    if (at_symbol("(")) parse_signature(stmt.signature);
    stmt.expr = parse_expression();
    if (stmt.expr->kind != Expr::call) template_error(stmt.line, "'call' needs a call");
    stmt.body = parse_function_body(&stmt.signature, "endcall");
    return stmt;
  }

  Stmt parse_filter(Stmt stmt) {
    stmt.kind = Stmt::filter_block;
    stmt.expr = parse_filters(nullptr, true);
    stmt.body = parse_body("endfilter");
    return stmt;
  }

  Stmt parse_autoescape(Stmt stmt) {
    stmt.kind = Stmt::autoescape;
    stmt.expr = parse_expression();
    stmt.body = parse_body("endautoescape");
    return stmt;
  }

  Stmt parse_named(Stmt stmt) {
    stmt.kind = Stmt::block;
    stmt.name = name_token();
    if (!block_names_.insert(stmt.name).second) template_error(stmt.line, "two blocks are named '" + stmt.name + "'");
    stmt.scoped = take_name("scoped");
    const bool required = take_name("required");
    const std::string outer = block_name_;
    block_name_ = stmt.name;
    stmt.body = parse_function_body(nullptr, "endblock");
    block_name_ = outer;
    if (required) template_error(stmt.line, "the block '" + stmt.name + "' is required, and nothing can give it");
    return stmt;
  }

  // Their arguments are read for their syntax only.
  Stmt parse_load(Stmt stmt) {
    stmt.kind = Stmt::load;
    parse_expression();
    const auto context = [&] {
      if ((at_name("with") || at_name("without")) && peek(1).text == "context") at_ += 2;
    };
    if (stmt.name == "include" && at_name("ignore") && peek(1).text == "missing") at_ += 2;
    if (stmt.name == "import") {
      expect_name("as");
      name_token();
    } else if (stmt.name == "from") {
      expect_name("import");
      do {
        context();
        if (peek().kind == TokenKind::block_end) break;
        name_token();
        if (take_name("as")) name_token();
      } while (take_symbol(","));
    }
    if (stmt.name != "extends") context();
    expect(TokenKind::block_end);
    return stmt;
  }

  Stmt parse_loop_exit(Stmt stmt) {
    if (loops_ == 0) template_error(stmt.line, "'" + stmt.name + "' outside a loop");
    stmt.kind = stmt.name == "break" ? Stmt::break_loop : Stmt::continue_loop;
    expect(TokenKind::block_end);
    return stmt;
  }

  // Marks what a model wrote, for training. Its names are its own, as in a block.
  Stmt parse_generation(Stmt stmt) {
    stmt.kind = Stmt::with;
    stmt.body = parse_function_body(nullptr, "endgeneration");
    return stmt;
  }

  int loops_ = 0;  // around the statement that is being parsed, in the same function
  std::string block_name_;
  std::set<std::string> block_names_;
};

}  // namespace

Block parse(std::string_view source) { return Parser(source).run(); }

}  // namespace weft::jinja
