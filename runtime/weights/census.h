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
  int max_tp() const { return max_tp_; }
  int n_experts() const { return n_experts_; }

  // What the declarations imply, no checkpoint needed: each tensor's rows (of all copies in it) and columns; a vector's are 0 and
  // its length. A row that two parts claim, or none, is a mistake of the architecture (CheckError).
  struct Shape {
    int64_t rows = 0, columns = 0;
    bool operator==(const Shape&) const = default;
  };
  std::map<std::string, Shape> shapes() const;
  // Missing, misshapen and unused tensors and those of an unreadable type are refused by name.
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
  std::set<std::string> ignored_;        // prefixes
  int max_tp_ = 1 << 30, n_experts_ = 0;
};

// The name of copy e's tensor.
std::string name_of_copy(const std::string& name, int64_t e);

// A census that can also read what was declared, this rank's slices only.
class Loader final : public Census {
 public:
  using Census::Census;
  // After check(). Fills what the modules point to: the weights that were taken.
  void read(Weights& weights, ThreadPool& pool) const;

 private:
  void read_matrix(const Weight& weight, std::vector<PackedMatrix>& stack, ThreadPool& pool) const;
};

}  // namespace weft
