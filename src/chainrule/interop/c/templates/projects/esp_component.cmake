# $mark
idf_component_register(SRCS "${name}.c" INCLUDE_DIRS ".")
target_compile_options($${COMPONENT_LIB} PRIVATE -O2)
target_link_libraries($${COMPONENT_LIB} PUBLIC m)
