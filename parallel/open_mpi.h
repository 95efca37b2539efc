#pragma once
// Settings for Open MPI, made before MPI_Init reads them from the environment.

namespace weft {

// Chooses what suits our messages and this machine; what the user has set (mpirun --mca, OMPI_MCA_...) stays. Rank 0 says
// once what had to be avoided. InputError if MPI cannot start here.
void prepare_open_mpi();

}  // namespace weft
