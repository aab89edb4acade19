"""Floor 3: scores that other systems call, with their price, plan, reasons and journal."""
