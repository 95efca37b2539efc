#pragma once
// The communicators of one rank, from its place in the mesh: who shares a layer's tensors and rows (tp), and who exchanges rows for
// experts (ep).
#include <memory>

#include "parallel/communicator.h"
#include "parallel/mesh.h"

namespace weft {

class Groups {
 public:
  // A collective over `world`, which must outlive this. A group of all ranks is `world` itself.
  Groups(Communicator& world, const Mesh& mesh);
  // For dry runs: groups that move nothing.
  static Groups dry(const Mesh& mesh);

  Communicator& tp() const { return *tp_; }
  Communicator& ep() const { return *ep_; }

 private:
  Communicator* group(Communicator& world, const std::vector<int>& members);

  std::vector<std::unique_ptr<Communicator>> owned_;
  Communicator *tp_, *ep_;
};

}  // namespace weft
