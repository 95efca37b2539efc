# `cmake --install` and `cpack -G TGZ`: the same tree, to which the archive adds the libraries weft is linked with
# (cmake/bundle.cmake), so that it runs on any Linux of its processor whose glibc is as new.
include(GNUInstallDirs)

# RPATH, not RUNPATH: it also finds what the libraries need themselves. Where the folder does not exist the system's serve.
set_target_properties(weft PROPERTIES INSTALL_RPATH "\$ORIGIN/../${CMAKE_INSTALL_LIBDIR}/weft")
target_link_options(weft PRIVATE -Wl,--disable-new-dtags)

install(TARGETS weft RUNTIME)
install(FILES proto/weft/v1/weft.proto DESTINATION ${CMAKE_INSTALL_DATADIR}/weft/proto/weft/v1)
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/weft)
install(FILES LICENSE README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)

set(CPACK_GENERATOR TGZ)
set(CPACK_PACKAGE_FILE_NAME ${PROJECT_NAME}-${PROJECT_VERSION}-linux-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/bundle.cmake)
set(CPACK_WEFT_LIBDIR ${CMAKE_INSTALL_LIBDIR}/weft)
set(CPACK_WEFT_LICENCES ${CMAKE_INSTALL_DOCDIR}/third-party)
include(CPack)
