#pragma once
// The gRPC front: proto/weft/v1/weft.proto, grpc.health.v1 and server reflection over a coordinator.
#include <chrono>
#include <memory>
#include <string>

#include "runtime/serve/coordinator.h"
#include "runtime/serve/text_front.h"

namespace weft {

constexpr int max_request_bytes = 16 << 20;  // of one call; more is RESOURCE_EXHAUSTED

struct ServerIdentity {
  std::string model;  // shown by GetModelInfo
  std::string version;
};

struct GrpcLimits {
  int max_connections = 1024;  // open at a time; what the process's limit of open files leaves may be fewer
  std::chrono::milliseconds reader_timeout =
      std::chrono::seconds(30);  // a stream whose client takes nothing for so long ends
};

class GrpcServer {
 public:
  // Listens at once, on "host:port" (port 0: one the system chooses). Refuses an address that cannot be had
  // with one sentence. Health starts as NOT_SERVING.
  GrpcServer(const std::string& address, Coordinator& coordinator, const TextFront& text, WorkPool& pool,
             const ServerIdentity& identity, const GrpcLimits& limits = {});
  ~GrpcServer();  // stop(0)

  int port() const;
  void set_serving(bool serving);
  void stop_serving();  // NOT_SERVING from now on, whatever set_serving() says
  // No new calls; waits this long for those that run, then cancels them.
  void stop(double grace_s);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft
