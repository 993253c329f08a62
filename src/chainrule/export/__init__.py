"""Out of the house: trained networks written for other software, from the operations of their plans."""
