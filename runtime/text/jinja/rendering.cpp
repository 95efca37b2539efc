#include "runtime/text/jinja/rendering.h"

namespace weft::jinja {

thread_local Rendering* Rendering::current_ = nullptr;

Rendering::~Rendering() {
  for (const std::shared_ptr<Cell>& cell : cells_) cell->clear();
  current_ = outer_;
}

void spend(size_t steps) {
  Rendering& budget = Rendering::current();
  budget.steps_ += static_cast<int64_t>(steps);
  if (budget.steps_ > kMaxSteps) fail("the template takes more than ", kMaxSteps, " steps");
}

void spend_bytes(size_t bytes) {
  Rendering* budget = Rendering::current_;
  if (budget == nullptr) return;  // a literal, while the template is parsed
  budget->bytes_ += static_cast<int64_t>(bytes);
  if (budget->bytes_ > kMaxBytes) fail("the template makes more than ", kMaxBytes >> 20, " MiB of texts and lists");
}

void expect_text_size(size_t bytes) {
  if (bytes > kMaxText) fail("a text grows beyond ", kMaxText >> 20, " MiB");
}

}  // namespace weft::jinja
