"""What runs beside the code: the store, the containers, and the doctor that looks at them."""
