typedef int v_load_queue;
