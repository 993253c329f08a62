/* The network of ${name}.h, $mark */
$source