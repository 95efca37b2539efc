#pragma once
// How processes of one job find each other by TCP: one listens, the others are told where and come with a secret. For the
// connections from every rank to rank 0, and for that from rank 0 to the server.
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>

#include "parallel/file_descriptor.h"
#include "parallel/ipv4_networks.h"

namespace weft {

// What the others need to come. The token is a secret of the job.
struct Invitation {
  std::string address;  // address,address...:port
  std::string token;
  std::string host;  // the name of the listener's machine
};

enum class Purpose : int32_t { control = 0, watch = 1, commands = 2 };  // of a connection

// Somebody who has shown the token.
struct Guest {
  FileDescriptor socket;
  int rank;
  Purpose purpose;
  std::string host;  // the name of its machine

  // Tells it that it has come to the right place. False: it is gone.
  bool welcome() const;
};

class JobListener {
 public:
  // On a free port of loopback.
  JobListener();
  // On a free port of all IPv4 interfaces, for processes of this machine and from `others`. A connection from elsewhere is
  // closed unheard; the first from each address is told as a warning, "... that is no address " and `whose`.
  JobListener(Ipv4Networks others, std::string whose);
  JobListener(JobListener&&) noexcept;
  ~JobListener();

  const Invitation& invitation() const { return invitation_; }

  // The next who has shown the token, to be welcomed or dropped. Nothing once the clock (now_s()) shows `until` or one of the
  // descriptors `or_readable` is readable; who came before that is returned first. Strangers delay nobody: all are listened to at
  // once, and who is silent for a second is turned away.
  std::optional<Guest> admit(double until, std::initializer_list<int> or_readable = {});

 private:
  struct Stranger;

  void listen(uint32_t address);
  void take_new_ones();
  bool may_come(uint32_t address);

  bool loopback_only_;
  Ipv4Networks others_;
  std::string whose_;
  Invitation invitation_;
  FileDescriptor listener_;
  std::deque<Stranger> strangers_;  // in order of arrival
  std::set<uint32_t> refused_;      // addresses
};

// The other end: asks at all of the addresses at once and takes the first that answers. CommError, after ten seconds, names each
// and what became of it.
FileDescriptor enter(const Invitation& invitation, int rank, Purpose purpose);

}  // namespace weft
