#pragma once
// Latency and bandwidth of the tensor collectives between these ranks (weft bench comm).
#include "parallel/communicator.h"

namespace weft {

// A collective of all ranks; rank 0 prints one row (or one JSON object on one line) for each operation and
// size. bytes: what a rank holds at the end (all_gather_v), sends (all_to_all_v), or receives (broadcast).
// Formulae of nccl-tests: algbw = bytes / time; busbw = algbw (n - 1) / n for all_gather_v and all_to_all_v,
// algbw for broadcast. Returns the exit code.
int run_comm_benchmarks(RankComm& ranks, bool json);

}  // namespace weft
