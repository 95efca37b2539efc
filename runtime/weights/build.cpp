#include "runtime/weights/build.h"

#include <algorithm>

#include "kernels/core/check.h"
#include "runtime/weights/census.h"

namespace weft {
namespace {

template <class Form>
int index_of(const Form& form, std::vector<Form>& known) {
  const auto found = std::find(known.begin(), known.end(), form);
  if (found != known.end()) return static_cast<int>(found - known.begin());
  known.push_back(form);
  return static_cast<int>(known.size()) - 1;
}

}  // namespace

Part part(const std::string& module, const Dim& rows, bool bias, const Stored& stored) {
  return {module + ".weight", bias ? module + ".bias" : "", rows, stored};
}

Copies Copies::of(const Dim& heads) {
  WEFT_CHECK(heads.share != Dim::Share::serving, "copies that several ranks hold");
  const int n = static_cast<int>(heads.units.count()), ranks = heads.share == Dim::Share::split ? heads.ranks : 1;
  return {.placement = ExpertPlacement::contiguous(n, ranks, ranks), .active = n};
}

Dim Copies::slices(int64_t width) const {
  return placement.ranks() == 1 ? Dim::over_tp(Units::mlp(width), mesh) : Dim{.units = Units::mlp(width)};
}

Build Build::operator/(std::string_view module) const {
  Build inner = *this;
  inner.path_ = path(std::string(module));
  return inner;
}

Build Build::as(const std::string& component, const std::string& kind) const {
  Build inner = *this;
  inner.component_ = component;
  census_->modules_.push_back({component, kind});
  return inner;
}

bool Build::stored(const std::string& name) const { return census_->tensors_ && census_->tensors_->find(path(name)); }

void Build::ignore(const std::string& prefix) const { census_->ignored_.insert(path(prefix)); }

Dim Build::heads(int64_t n) const {
  census_->max_tp_ = static_cast<int>(std::min<int64_t>(census_->max_tp_, n));
  return vocab(n);
}

Dim Build::serving(int64_t n, const Dim& readers) const {
  WEFT_CHECK(n > 0 && readers.units.count() % n == 0, readers.units.count(), " heads read ", n);
  return {.share = Dim::Share::serving,
          .units = Units::even(n),
          .readers = readers.units.count() / n,
          .ranks = readers.ranks,
          .rank = readers.rank};
}

Dim Build::slices(int64_t n) const { return Dim::over_tp(Units::mlp(n), census_->mesh()); }

Dim Build::vocab(int64_t n) const { return Dim::over_tp(Units::even(n), census_->mesh()); }

Copies Build::experts(int64_t n, int64_t active) const {
  const Mesh& mesh = census_->mesh();
  census_->n_experts_ = static_cast<int>(n);
  census_->experts_per_token_ = static_cast<int>(active);
  return {.placement = ExpertPlacement::of(mesh, static_cast<int>(n)), .active = active, .mesh = mesh};
}

std::vector<Part> Build::placed(std::vector<Part> parts) const {
  for (Part& part : parts) {
    part.weight = path(part.weight);
    if (!part.bias.empty()) part.bias = path(part.bias);
  }
  return parts;
}

const PackedMatrix* Build::matrix(const std::vector<Part>& parts, const Dim& columns) const {
  const Copies one{.placement = ExpertPlacement::contiguous(1, 1, 1)};
  const size_t index = census_->declare({.parts = placed(parts), .columns = columns, .copies = one, .component = component_});
  return census_->weights_->matrices[index].data();
}

const std::vector<PackedMatrix>* Build::stack(const std::vector<Part>& parts, const Dim& columns, const Copies& copies) const {
  const size_t index = census_->declare(
      {.parts = placed(parts), .columns = columns, .copies = copies, .is_stack = true, .component = component_});
  return &census_->weights_->matrices[index];
}

const Vector* Build::vector(const std::string& name, const Dim& elements) const {
  const Copies one{.placement = ExpertPlacement::contiguous(1, 1, 1)};
  const size_t index = census_->declare(
      {.parts = placed({{name, "", elements}}), .columns = {}, .copies = one, .is_vector = true, .component = component_});
  return &census_->weights_->vectors[index];
}

CacheId Build::paged(const Paged& form) const {
  census_->paged_.push_back(form);
  return static_cast<CacheId>(census_->paged_.size()) - 1;
}

TableId Build::per_step(const TableForm& form) const { return index_of(form, census_->tables_); }

ScheduleId Build::per_step(const std::vector<HeadGroup>& groups) const { return index_of(groups, census_->schedules_); }

RouterStats* Build::router_stats(int64_t n_experts) const {
  return &census_->weights_->routers.emplace_back(RouterStats::of(n_experts));
}

}  // namespace weft
