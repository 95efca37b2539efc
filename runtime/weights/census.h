#pragma once
// Everything a model declared while it was built: the one source of `inspect`, of the memory plan, of the mesh's limits, and of
// the proof that a checkpoint has every tensor and no other.
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "parallel/mesh.h"
#include "runtime/weights/build.h"
#include "runtime/weights/named_tensors.h"

namespace weft {

class Census {
 public:
  // tensors: of the checkpoint there is, or nullptr. It must outlive this.
  explicit Census(const Mesh& mesh = {}, const NamedTensors* tensors = nullptr)
      : mesh_(mesh), tensors_(tensors), weights_(std::make_unique<Weights>()) {}
  Census(const Census&) = delete;  // builds point to it

  struct Weight {
    std::vector<Part> parts;  // full names; of a vector one, with its elements as `rows`
    Dim columns;
    Copies copies;            // of a single matrix: count() is 1
    bool is_vector = false, is_stack = false;
    std::string component;
    size_t index = 0;         // in Weights::matrices or vectors
  };
  struct Module {
    std::string component, kind;
  };

  const Mesh& mesh() const { return mesh_; }
  const std::vector<Weight>& weights() const { return declared_; }
  const std::vector<Module>& modules() const { return modules_; }
  const std::vector<Paged>& paged() const { return paged_; }
  const std::vector<TableForm>& tables() const { return tables_; }
  const std::vector<std::vector<HeadGroup>>& schedules() const { return schedules_; }
  int max_tp() const { return max_tp_; }
  int n_experts() const { return n_experts_; }
  int experts_per_token() const { return experts_per_token_; }

  // What the declarations imply of a stored tensor, no checkpoint needed.
  struct Declared {
    struct Claim {
      const Weight* weight;
      const Part* part;
      bool is_bias;
    };
    int64_t rows = 0, columns = 0;  // rows of all copies in it; a vector's are 0 and its length
    int64_t tensors = 1;            // with "{e}" in the name: so many, of this shape each
    std::vector<Claim> claims;      // the parts that it is cut into
  };
  // By name, with the "{e}" of a tensor a copy. A cell that two parts claim, or none, is a mistake of the architecture (CheckError).
  std::map<std::string, Declared> tensors() const;
  // Missing, misshapen and unused tensors and those of a type that cannot be read are refused by name.
  void check(const std::string& model_type) const;

  // Bytes a rank holds of a weight's part (of one copy). dtype: as stored.
  static int64_t bytes(const Weight& weight, const Part& part, int rank, DType dtype);
  // The type a tensor is stored in; `otherwise` if there is no checkpoint or it lacks the tensor.
  DType dtype(const std::string& name, DType otherwise) const;
  int64_t weight_bytes(int rank) const;  // of this checkpoint; biases and norms included

  // What the modules point into; the model owns it.
  std::unique_ptr<Weights> take_weights() { return std::move(weights_); }

 protected:
  friend class Build;
  size_t declare(Weight weight);  // its index; the same one for the same declaration

  const Mesh mesh_;
  const NamedTensors* tensors_;
  std::unique_ptr<Weights> weights_;
  std::vector<Weight> declared_;
  std::map<std::string, size_t> known_;  // by the names of its parts
  std::vector<Module> modules_;
  std::vector<Paged> paged_;
  std::vector<TableForm> tables_;
  std::vector<std::vector<HeadGroup>> schedules_;
  std::set<std::string> ignored_;        // prefixes
  int max_tp_ = 1 << 30, n_experts_ = 0, experts_per_token_ = 0;
};

}  // namespace weft
