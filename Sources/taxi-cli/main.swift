print("taxi-cli")
