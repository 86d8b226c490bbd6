# Builds for arm64 Linux with the cross compiler that Debian and Ubuntu package
# as g++-aarch64-linux-gnu: cmake -DCMAKE_TOOLCHAIN_FILE=<this file>. Besides,
# CMake must be told of an arm64 Python: tools/test_arm64 shows how.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
