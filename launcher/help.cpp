#include "launcher/help.h"

#include <CLI/CLI.hpp>

#include <cstdio>

#include "kernels/core/check.h"

namespace weft {
namespace {

constexpr double kUnreached = 1 << 20;

std::string digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

// CLI11 joins an option's type and its checks: "INT:1 …", "TEXT:{auto,f32}", "INT:SIZE [b, kb(=1024b), ...]".
struct TypeName {
  explicit TypeName(const std::string& joined) : type(joined.substr(0, joined.find(':'))) {
    if (type.size() < joined.size()) allowed = joined.substr(type.size() + 1);
  }
  bool is_choice() const { return allowed.starts_with("{"); }
  bool is_size() const { return allowed.starts_with("SIZE"); }

  std::string type, allowed;
};

std::string placeholder(const TypeName& name) {
  if (name.is_choice()) {
    std::string choice = name.allowed.substr(1, name.allowed.size() - 2);
    std::replace(choice.begin(), choice.end(), ',', '|');
    return choice;
  }
  if (name.is_size()) return "SIZE";
  return name.type == "INT" || name.type == "UINT" ? "N" : name.type == "FLOAT" ? "X" : name.type;
}

class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    if (!takes_value(*option)) return "";
    const bool many = option->get_expected_max() == CLI::detail::expected_max_vector_size;
    return cat(" ", placeholder(TypeName(option->get_type_name())), many ? " ..." : "",
               option->get_required() ? " (required)" : "");
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    std::string facts;
    if (takes_value(*option)) {
      const TypeName name(option->get_type_name());
      if (!name.is_choice() && !name.is_size()) facts = name.allowed;
      if (!option->get_default_str().empty()) facts += cat(facts.empty() ? "" : "; ", "default ", option->get_default_str());
    }
    return option->get_description() + (facts.empty() ? "" : cat(" (", facts, ")"));
  }

  // Of --help-all; CLI11 alone only names the commands of a command.
  std::string make_expanded(const CLI::App* command) const override {
    std::string text = Formatter::make_expanded(command);
    for (const CLI::App* child : command->get_subcommands([](const CLI::App* app) { return !app->get_name().empty(); }))
      text += cat("\n", command->get_name(), " ", make_expanded(child));
    return text;
  }
};

}  // namespace

CLI::Validator range(double low, double high) {
  const std::string allowed = high < kUnreached ? cat(digits(low), " … ", digits(high)) : cat(digits(low), " …");
  const auto check = [=](std::string& text) -> std::string {
    double value = 0;
    if (!CLI::detail::lexical_cast(text, value)) return cat("'", text, "' is no number; it must be one in ", allowed);
    if (value >= low && value <= high) return "";
    return cat(text, " is out of range; it must be in ", value > high ? cat(digits(low), " … ", digits(high)) : allowed);
  };
  return CLI::Validator(check, allowed);
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected() != 0; }

std::shared_ptr<CLI::FormatterBase> help_formatter() { return std::make_shared<HelpFormatter>(); }

}  // namespace weft
