#pragma once
// Settings for Open MPI, made before MPI_Init reads them from the environment.
#include <istream>
#include <string>
#include <vector>

#include "parallel/network.h"

namespace weft {

// Chooses what suits our messages and this machine; what the user has set (mpirun --mca, OMPI_MCA_...) stays. Rank 0 says
// once what had to be avoided. InputError if MPI cannot start here.
void prepare_open_mpi();

// Part of it: limits MPI to the networks over which mpirun reaches the machines of the job.
void choose_mpi_networks();
// The names of these interfaces, from a text like /proc/net/tcp and mpirun's own address, OMPI_MCA_orte_hnp_uri.
std::vector<std::string> interfaces_towards_mpirun(std::istream& proc_net_tcp, const std::string& mpirun_uri,
                                                   const std::vector<NetworkInterface>& interfaces);
// The networks that Open MPI may use between machines, in words: "10.0.0.1 (eth0)", or what the user chose.
std::string mpi_interfaces();

}  // namespace weft
