#include "parallel/groups.h"

namespace weft {

Groups::Groups(Communicator& world, const Mesh& mesh)
    : tp_(group(world, mesh.tp_group())), ep_(group(world, mesh.ep_group())) {}

Groups Groups::dry(const Mesh& mesh) {
  std::unique_ptr<Communicator> world = dry_communicator(mesh.rank, mesh.world);
  Groups groups(*world, mesh);
  groups.owned_.push_back(std::move(world));
  return groups;
}

Communicator* Groups::group(Communicator& world, const std::vector<int>& members) {
  if (static_cast<int>(members.size()) == world.size()) return &world;
  return owned_.emplace_back(world.split(members)).get();
}

}  // namespace weft
