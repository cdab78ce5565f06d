import Trips
