#pragma once
// Between our structs and the messages of proto/weft/v1.
#include "runtime/serve/coordinator.h"
#include "runtime/weights/traits.h"
#include "weft/v1/weft.pb.h"
#include "weft/v1/worker.pb.h"

namespace weft {

// The public interface. Fields that are absent get their documented defaults; the seed a random number.
SamplingParams from_proto(const v1::SamplingParams& p);
v1::SamplingParams to_proto(const SamplingParams& s);  // every field, the seed too
v1::GenerateResponse to_proto(const Delta& delta, uint64_t seed);
v1::GetModelInfoResponse to_proto(const EngineReady& ready);
v1::GetStatsResponse to_proto(const CoordinatorStats& stats);

// Between coordinator and worker.
EngineReady from_proto(const v1::GetModelInfoResponse& p);
v1::EngineStats to_proto(const EngineStats& stats);
EngineStats from_proto(const v1::EngineStats& p);
v1::worker::Tokens to_proto(const std::vector<TokenEvent>& events);
std::vector<TokenEvent> from_proto(const v1::worker::Tokens& p);
google::protobuf::RepeatedPtrField<v1::worker::Trait> to_proto(const Traits& traits);
Traits from_proto(const google::protobuf::RepeatedPtrField<v1::worker::Trait>& p);
v1::worker::FromWorker to_frame(const EngineEvent& event);  // of a worker: neither EngineLost nor EngineEnded
v1::worker::Submit to_proto(const Request& request);
Request from_proto(const v1::worker::Submit& p);

}  // namespace weft
