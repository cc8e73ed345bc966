typedef int v_ring;
