#pragma once
// What --help shows, and how a number outside its range is refused.
#include <memory>

namespace CLI {
class FormatterBase;
class Option;
class Validator;
}  // namespace CLI

namespace weft {

// A number from low to high. A high of 2^20 or more only keeps nonsense out: help shows "low …".
CLI::Validator range(double low, double high);

bool takes_value(const CLI::Option& option);  // it is no switch

// "--max-tokens N   tokens to generate at most (1 …; default 128)"
std::shared_ptr<CLI::FormatterBase> help_formatter();

}  // namespace weft
