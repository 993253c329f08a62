# $mark
if(CONFIG_${option})
  zephyr_library_named(${library})
  zephyr_library_sources(src/${name}.c)
  zephyr_library_compile_options(-O2)
  zephyr_include_directories(src)
endif()
